/** What people set and find again at their next visit: the system prompt, and sampling by model. */

/** @typedef {Record<string, number | boolean>} Sampling name of a setting -> its value */
/** @typedef {{system: string, sampling: Record<string, Sampling>}} Preferences */

/**
 * Read what was kept; whatever is not as it should be is left out.
 * @param {string | null} text
 * @returns {Preferences}
 */
export function readPreferences(text) {
  const { system, sampling } = entries(parse(text));
  const models = Object.entries(entries(sampling)).map(([model, values]) => {
    const sound = Object.entries(entries(values)).filter(
      ([, value]) => Number.isFinite(value) || typeof value === "boolean",
    );
    return [model, Object.fromEntries(sound)];
  });
  return {
    system: typeof system === "string" ? system : "",
    sampling: Object.fromEntries(models),
  };
}

/**
 * @param {string} key
 * @returns {Preferences}
 */
export function loadPreferences(key) {
  try {
    return readPreferences(localStorage.getItem(key));
  } catch {
    return readPreferences(null); // the browser keeps nothing here
  }
}

/**
 * @param {string} key
 * @param {Preferences} preferences
 */
export function savePreferences(key, preferences) {
  try {
    localStorage.setItem(key, JSON.stringify(preferences));
  } catch {
    // Then they hold until the page is closed.
  }
}

/** @param {string | null} text */
function parse(text) {
  try {
    return JSON.parse(text ?? "{}");
  } catch {
    return {};
  }
}

/**
 * @param {unknown} value
 * @returns {Record<string, unknown>}
 */
function entries(value) {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? /** @type {Record<string, unknown>} */ (value) : {};
}
