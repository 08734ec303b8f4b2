/** The errors of a request, which name the field: what is not supported is refused, never ignored. */

import { ConfigError, UnsupportedError } from "./errors.js";

/**
 * A field has a value that it cannot have.
 * @param {string} name
 * @param {unknown} value
 * @param {string} expected
 * @returns {ConfigError}
 */
export function wrong(name, value, expected) {
  return new ConfigError(`request: '${name}': got ${JSON.stringify(value)}, expected ${expected}.`);
}

/**
 * There is no such field.
 * @param {string} name
 * @param {string[]} have
 * @returns {UnsupportedError}
 */
export function unsupported(name, have) {
  return new UnsupportedError(
    `request: '${name}' is not supported (have ${have.join(", ")}). Leave it out.`,
  );
}
