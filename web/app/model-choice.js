/** Which model of a site is shown: the one its address names, else the one chosen last, else the first. */

/** @typedef {{id: string, name: string}} Entry of models/index.json */

const KEY = `webgemma model ${new URL("./", location.href).pathname}`;

/**
 * The model to open first.
 * @param {Entry[]} models of the site, at least one
 * @param {string} [asked] the id that the address names
 * @returns {{id: string, unknown: string}} unknown: an id of the address that the site has not
 */
export function firstModel(models, asked) {
  const has = (/** @type {string | undefined | null} */ id) => models.some((one) => one.id === id);
  const kept = remembered();
  const id = [asked, kept].find(has) ?? models[0].id;
  return { id, unknown: asked === undefined || has(asked) ? "" : asked };
}

/**
 * Remember what somebody chose, and put it into the address, which may be kept or passed on.
 * @param {string} id
 */
export function keepChoice(id) {
  try {
    localStorage.setItem(KEY, id);
  } catch {
    // Then the address alone has it.
  }
  const address = new URL(location.href);
  address.searchParams.set("model", id);
  history.replaceState(history.state, "", address);
}

/** @returns {string | null} */
function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // the browser keeps nothing here
  }
}
