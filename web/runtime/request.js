/** Checks a chat request: what is not supported is refused with a named error, never ignored. */

/** @import { ChatRequest, ImageSource, Message } from "./types.d.ts" */
/** @import { Content } from "./content.js" */

import { readContent } from "./content.js";
import { unsupported, wrong } from "./refusal.js";

const FIELDS = ["messages", "stream", "max_tokens", "temperature", "seed", "stop"];
const ROLES = ["system", "user", "assistant"];
const MAX_STOPS = 4; // OpenAI's
const MAX_SEED = 2 ** 32 - 1;

/**
 * A request with everything filled in.
 * @typedef {object} CheckedRequest
 * @property {Message[]} messages their texts
 * @property {ImageSource[]} images the pictures of all of them
 * @property {boolean} stream
 * @property {number | null} max_tokens null: until the context is full
 * @property {number | null} temperature null: the model's own
 * @property {number | null} seed null: a random one
 * @property {string[]} stop
 */

/**
 * Check a request and fill in what it leaves out.
 * @param {ChatRequest} request
 * @returns {CheckedRequest}
 */
export function checkRequest(request) {
  for (const field of Object.keys(request)) {
    if (!FIELDS.includes(field)) throw unsupported(field, FIELDS);
  }
  const { stream = false } = request;
  if (typeof stream !== "boolean") throw wrong("stream", stream, "true or false");
  const messages = checkMessages(request.messages);
  return {
    messages: messages.map(({ role, text }) => ({ role, content: text })),
    images: messages.flatMap(({ images }) => images),
    stream,
    max_tokens: checkNumber("max_tokens", request.max_tokens, 1, Number.MAX_SAFE_INTEGER),
    temperature: checkTemperature(request.temperature),
    seed: checkNumber("seed", request.seed, 0, MAX_SEED),
    stop: checkStop(request.stop),
  };
}

/**
 * @param {unknown} messages
 * @returns {(Content & {role: Message["role"]})[]}
 */
function checkMessages(messages) {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw wrong("messages", messages, "a list of at least one message");
  }
  return messages.map((message, i) => {
    const { role, content, ...rest } = message ?? {};
    const name = `messages[${i}]`;
    if (!ROLES.includes(role)) throw wrong(`${name}.role`, role, ROLES.join(", "));
    const [other] = Object.keys(rest);
    if (other) throw unsupported(`${name}.${other}`, ["role", "content"]);
    return { role, ...readContent(content, `${name}.content`) };
  });
}

/**
 * @param {string} name
 * @param {unknown} value
 * @param {number} min
 * @param {number} max
 * @returns {number | null}
 */
function checkNumber(name, value, min, max) {
  if (value === undefined || value === null) return null;
  const number = Number(value);
  if (typeof value === "number" && Number.isInteger(value) && number >= min && number <= max) {
    return number;
  }
  throw wrong(name, value, `an integer from ${min} to ${max}`);
}

/**
 * @param {unknown} value
 * @returns {number | null}
 */
function checkTemperature(value) {
  if (value === undefined || value === null) return null;
  if (typeof value === "number" && value >= 0 && value <= 2) return value;
  throw wrong("temperature", value, "a number from 0 to 2");
}

/**
 * @param {unknown} stop
 * @returns {string[]}
 */
function checkStop(stop) {
  if (stop === undefined || stop === null) return [];
  const list = Array.isArray(stop) ? stop : [stop];
  if (list.length <= MAX_STOPS && list.every((text) => typeof text === "string" && text)) {
    return list;
  }
  throw wrong("stop", stop, `a text, or a list of at most ${MAX_STOPS}, none of them empty`);
}
