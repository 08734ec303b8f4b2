/** What keywords of a JSON Schema may be. The twin of webgemma/structured/keywords.py. */

/** @import { Bound } from "./numbers.js" */

import { ConfigError } from "../errors.js";

/** @typedef {Record<string, any>} Schema */

const MAX_COUNT = 1000; // the most that minLength, maxLength, minItems and maxItems can be
/** Keywords that say nothing about a value. */
export const ANNOTATIONS = [
  ...["title", "description", "default", "examples"],
  ...["deprecated", "readOnly", "writeOnly", "$comment"],
];
export const AT_THE_ROOT = ["$schema", "$id", "$defs", "definitions"];
export const BOUNDS = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"];
/** Type -> the keywords that are enforced for it. @type {Record<string, string[]>} */
export const KEYWORDS = {
  object: ["properties", "required", "additionalProperties"],
  array: ["items", "minItems", "maxItems"],
  string: ["minLength", "maxLength", "pattern"],
  number: BOUNDS,
  integer: BOUNDS,
  boolean: [],
  null: [],
};
export const ALL_TYPES = ["object", "array", "string", "number", "boolean", "null"];
/** Keywords that say everything; `type` may stand beside the last two. */
export const ALONE = ["$ref", "anyOf", "const", "enum"];
export const DEFINITIONS = ["#/$defs/", "#/definitions/"];

/**
 * The bound of `minimum` and `exclusiveMinimum`, or of the two maxima.
 * @param {Schema} schema
 * @param {string} ending
 * @param {string} path
 * @param {(...values: number[]) => number} tighter
 * @returns {Bound | null}
 */
export function bound(schema, ending, path, tighter) {
  const names = [`m${ending}`, `exclusiveM${ending}`].filter((name) => name in schema);
  for (const name of names) {
    if (typeof schema[name] !== "number") throw wrong(`${path}/${name}`, schema[name], "a number");
  }
  if (!names.length) return null;
  const value = tighter(...names.map((name) => schema[name]));
  return { value, isExcluded: schema[`exclusiveM${ending}`] === value };
}

/**
 * The least and the most of `min...` and `max...`.
 * @param {Schema} schema
 * @param {string} ending
 * @param {string} path
 * @returns {[least: number, most: number]}
 */
export function checkRange(schema, ending, path) {
  const names = [`min${ending}`, `max${ending}`];
  for (const name of names.filter((name) => name in schema)) {
    const value = schema[name];
    if (Number.isInteger(value) && value >= 0 && value <= MAX_COUNT) continue;
    throw wrong(`${path}/${name}`, value, `an integer from 0 to ${MAX_COUNT}`);
  }
  const [least, most] = [schema[names[0]] ?? 0, schema[names[1]] ?? Infinity];
  if (most < least) throw wrong(`${path}/${names[1]}`, most, `at least ${names[0]}, ${least}`);
  return [least, most];
}

/**
 * @param {unknown} value
 * @param {string} path
 * @returns {any[]}
 */
export function checkList(value, path) {
  if (Array.isArray(value) && value.length) return value;
  throw wrong(path, value, "a list that is not empty");
}

/**
 * @param {unknown} value
 * @param {string} path
 * @returns {string[]}
 */
export function checkTypes(value, path) {
  const types = Array.isArray(value) ? value : [value];
  /** @param {unknown} name */
  const isKnown = (name) => typeof name === "string" && Object.hasOwn(KEYWORDS, name);
  if (types.length && types.every(isKnown)) return types;
  throw wrong(`${path}/type`, value, `one or several of ${Object.keys(KEYWORDS).join(", ")}`);
}

/**
 * A text as a string of JSON; half a character, which no UTF-8 has, is refused.
 * @param {string} characters
 * @param {string} path
 * @returns {string}
 */
export function quote(characters, path) {
  const quoted = JSON.stringify(characters);
  if (!/\p{Surrogate}/u.test(characters)) return quoted;
  throw wrong(path, quoted.slice(1, -1), "texts without lone surrogates");
}

/**
 * @param {any} value
 * @returns {value is Schema}
 */
export function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Whether a value is of a type of JSON Schema.
 * @param {unknown} value
 * @param {string} type
 */
export function isOf(value, type) {
  if (type === "integer") return Number.isInteger(value);
  if (type === "null") return value === null;
  if (type === "array") return Array.isArray(value);
  return type === "object" ? isObject(value) : typeof value === type;
}

/**
 * A name as a part of a JSON pointer.
 * @param {string} name
 */
export function escape(name) {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

/**
 * @param {string} path
 * @param {unknown} value
 * @param {string} expected
 * @returns {ConfigError}
 */
export function wrong(path, value, expected) {
  return new ConfigError(
    `response_format: ${path} of the schema: got ${JSON.stringify(value)}, expected ${expected}.`,
  );
}
