/**
 * Checks the options of a request and fills in the model's. The twin of webgemma/runtime/options.py.
 *
 * What is not supported is refused with a named error, never ignored.
 */

/** @import { Sampling } from "./sampling.js" */

import { wrong } from "./refusal.js";

/**
 * What a request asks for, with everything filled in.
 * @typedef {object} Options
 * @property {Sampling} sampling
 * @property {number | null} max_tokens null: until the context is full
 * @property {string[]} stop
 * @property {object | null} schema the JSON Schema that the reply has to fit; null: any text
 * @property {boolean} drops_oldest
 * @property {boolean} drafts
 */

/** The options that a request of any kind may have. */
export const OPTIONS = [
  "max_tokens",
  "max_completion_tokens",
  "temperature",
  "top_p",
  "top_k",
  "min_p",
  "seed",
  "stop",
  "presence_penalty",
  "frequency_penalty",
  "repetition_penalty",
  "logit_bias",
  "logprobs",
  "top_logprobs",
  "response_format",
  "context_full",
  "draft",
];

/** name -> [least, most, what changes nothing]
 * @type {Record<string, [number, number, number]>} */
const NUMBERS = {
  temperature: [0, 2, 1],
  top_p: [0, 1, 1],
  min_p: [0, 1, 0],
  presence_penalty: [-2, 2, 0],
  frequency_penalty: [-2, 2, 0],
  repetition_penalty: [0.1, 10, 1],
};
const MAX_TOKENS = 2 ** 31 - 1;
const MAX_SEED = 2 ** 32 - 1;
const MAX_BIAS = 100;
const MAX_LOGPROBS = 20;
const MAX_STOPS = 4; // OpenAI's, as the other limits
const CONTEXT_FULL = ["stop", "drop_oldest"];
const FORMATS = ["text", "json_object", "json_schema"];
/** Options for which a model's generation_config.json or mlc-chat-config.json may have a value. */
const OWN_VALUES = [...Object.keys(NUMBERS), "top_k"];

/** @typedef {Record<string, unknown>} Given */

/**
 * Check options and fill in what they leave out.
 * @param {object} given only names of OPTIONS are read
 * @param {object} generation the manifest's, with the model's own values
 * @returns {Options}
 */
export function checkOptions(given, generation) {
  /** @type {Given} */
  const wanted = {};
  for (const [name, value] of Object.entries(generation)) {
    if (OWN_VALUES.includes(name) && value != null) wanted[name] = value;
  }
  for (const [name, value] of Object.entries(given)) if (value != null) wanted[name] = value;
  const { context_full = "stop" } = wanted;
  if (!CONTEXT_FULL.includes(/** @type {string} */ (context_full))) {
    throw wrong("context_full", context_full, CONTEXT_FULL.join(" or "));
  }
  const seed = checkInteger(wanted, "seed", 0, MAX_SEED);
  const schema = checkFormat(wanted.response_format ?? { type: "text" });
  const stop = checkStop(wanted.stop ?? []);
  if (schema && stop.length) {
    throw wrong("stop", wanted.stop, "none beside response_format: it would cut the JSON");
  }
  const numbers = Object.fromEntries(
    Object.entries(NUMBERS).map(([name, range]) => [name, checkNumber(wanted, name, ...range)]),
  );
  return {
    sampling: /** @type {Sampling} */ ({
      ...numbers,
      top_k: checkInteger(wanted, "top_k", 0, MAX_TOKENS) ?? 0,
      seed: seed ?? crypto.getRandomValues(new Uint32Array(1))[0],
      logit_bias: checkLogitBias(wanted.logit_bias ?? {}),
      top_logprobs: checkTopLogprobs(wanted),
    }),
    max_tokens: checkMaxTokens(wanted),
    stop,
    schema,
    drops_oldest: context_full === "drop_oldest",
    drafts: checkBoolean("draft", wanted.draft ?? true),
  };
}

/**
 * @param {Given} wanted
 * @param {string} name
 * @param {number} least
 * @param {number} most
 * @param {number} none
 * @returns {number}
 */
function checkNumber(wanted, name, least, most, none) {
  const value = wanted[name] ?? none;
  if (typeof value === "number" && value >= least && value <= most) return value;
  throw wrong(name, value, `a number from ${least} to ${most}`);
}

/**
 * @param {Given} wanted
 * @param {string} name
 * @param {number} least
 * @param {number} most
 * @returns {number | null}
 */
export function checkInteger(wanted, name, least, most) {
  const value = wanted[name] ?? null;
  const number = Number(value);
  if (value === null) return null;
  if (Number.isInteger(value) && number >= least && number <= most) return number;
  throw wrong(name, value, `an integer from ${least} to ${most}`);
}

/**
 * @param {string} name
 * @param {unknown} value
 * @returns {boolean}
 */
export function checkBoolean(name, value) {
  if (typeof value === "boolean") return value;
  throw wrong(name, value, "true or false");
}

/** @param {Given} wanted */
function checkMaxTokens(wanted) {
  const counts = ["max_tokens", "max_completion_tokens"]
    .map((name) => checkInteger(wanted, name, 1, MAX_TOKENS))
    .filter((count) => count !== null);
  return counts.length ? Math.min(...counts) : null;
}

/**
 * How many alternatives are wanted; null if no logprobs are.
 * @param {Given} wanted
 * @returns {number | null}
 */
function checkTopLogprobs(wanted) {
  const logprobs = checkBoolean("logprobs", wanted.logprobs ?? false);
  const count = checkInteger(wanted, "top_logprobs", 0, MAX_LOGPROBS);
  if (count !== null && !logprobs) {
    throw wrong("top_logprobs", count, "logprobs to be true beside it");
  }
  return logprobs ? (count ?? 0) : null;
}

/**
 * @param {unknown} stop
 * @returns {string[]}
 */
function checkStop(stop) {
  const list = Array.isArray(stop) ? stop : [stop];
  if (list.length <= MAX_STOPS && list.every((text) => typeof text === "string" && text)) {
    return list;
  }
  throw wrong("stop", stop, `a text, or a list of at most ${MAX_STOPS}, none of them empty`);
}

/**
 * The schema of a response_format; null for any text.
 * @param {any} format
 * @returns {object | null}
 */
function checkFormat(format) {
  const { type } = format;
  if (!FORMATS.includes(type))
    throw wrong("response_format", format, `a type of ${FORMATS.join(", ")}`);
  if (type === "text") return null;
  if (type === "json_object") return { type: "object" };
  const schema = format.json_schema?.schema;
  if (schema?.constructor === Object) return schema;
  throw wrong("response_format.json_schema", format.json_schema, "an object with a schema");
}

/**
 * @param {unknown} bias
 * @returns {Record<string, number>}
 */
function checkLogitBias(bias) {
  if (typeof bias !== "object" || bias === null || Array.isArray(bias)) {
    throw wrong("logit_bias", bias, "an object: token id -> number");
  }
  for (const [token, value] of Object.entries(bias)) {
    if (!/^\d+$/.test(token)) throw wrong("logit_bias", token, "token ids as its keys");
    const name = `logit_bias.${token}`;
    checkNumber({ [name]: value }, name, -MAX_BIAS, MAX_BIAS, 0);
  }
  return /** @type {Record<string, number>} */ (bias);
}
