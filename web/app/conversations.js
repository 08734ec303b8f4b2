/** Conversations as data: what one is, its title, and the file that they are exported to and read from. */

/** @import { Picture } from "./picture.js" */

/**
 * `picture`: what a question is about; such conversations are not kept.
 * @typedef {{role: "user" | "assistant", content: string, picture?: Picture}} ChatMessage
 */
/**
 * @typedef {object} Conversation
 * @property {string} id
 * @property {string} title empty until something was asked
 * @property {string} system the system prompt, or nothing
 * @property {string} model id of the model that answered last
 * @property {number} created milliseconds since 1970
 * @property {number} updated
 * @property {number} used_tokens of the context, as of the last answer; 0 where that is not known
 * @property {ChatMessage[]} messages of user and assistant in turn
 */

export const MAX_FILE_NBYTES = 64e6;
const FORMAT = "webgemma-chats";
const VERSION = 1;
const MAX_ID = 100;
const MAX_TITLE = 200;
const FIRST_TITLE = 60; // characters of the first message that name a conversation
const ROLES = /** @type {const} */ (["user", "assistant"]);

/**
 * @param {string} system
 * @returns {Conversation}
 */
export function newConversation(system) {
  const now = Date.now();
  return {
    ...{ id: crypto.randomUUID(), title: "", system, model: "" },
    ...{ created: now, updated: now, used_tokens: 0, messages: [] },
  };
}

/**
 * A title as it is kept: one line, not too long, and never half a character.
 * @param {string} text
 * @param {number} [length]
 * @returns {string}
 */
export function tidyTitle(text, length = MAX_TITLE) {
  const characters = Array.from(
    text
      .slice(0, 4 * length)
      .replace(/[\s\p{Cc}]+/gu, " ")
      .trim(),
  );
  if (characters.length <= length) return characters.join("");
  return `${characters
    .slice(0, length - 1)
    .join("")
    .trimEnd()}…`;
}

/**
 * What a conversation is called until somebody renames it.
 * @param {string} question its first
 * @returns {string}
 */
export function titleFor(question) {
  return tidyTitle(question, FIRST_TITLE);
}

/**
 * Check something that was stored or exported, and take what belongs to a conversation.
 * @param {unknown} value
 * @param {string} where for the error
 * @returns {Conversation}
 */
export function readConversation(value, where) {
  const fields = object(value, where);
  const { system = "", model = "", used_tokens = 0, messages } = fields;
  if (!Array.isArray(messages) || !messages.length) {
    throw wrong(`${where}.messages`, messages, "a list of at least one message");
  }
  const id = text(fields.id, `${where}.id`);
  if (!id || id.length > MAX_ID) throw wrong(`${where}.id`, id, `1 to ${MAX_ID} characters`);
  return {
    id,
    title: tidyTitle(text(fields.title, `${where}.title`)),
    system: text(system, `${where}.system`),
    model: text(model, `${where}.model`),
    created: time(fields.created, `${where}.created`),
    updated: time(fields.updated, `${where}.updated`),
    used_tokens: time(used_tokens, `${where}.used_tokens`),
    messages: messages.map((message, i) => readMessage(message, i, `${where}.messages[${i}]`)),
  };
}

/**
 * @param {unknown} value
 * @param {number} index
 * @param {string} where
 * @returns {ChatMessage}
 */
function readMessage(value, index, where) {
  const { role, content } = object(value, where);
  const expected = ROLES[index % 2];
  if (role !== expected) throw wrong(`${where}.role`, role, `"${expected}"`);
  return { role: expected, content: text(content, `${where}.content`) };
}

/**
 * The text of a file with all of some conversations.
 * @param {Conversation[]} conversations
 * @returns {string}
 */
export function exportText(conversations) {
  const file = { format: FORMAT, version: VERSION, conversations };
  return `${JSON.stringify(file, null, 1)}\n`;
}

/**
 * Read such a file: all of it, or one error that says what is wrong.
 * @param {string} name of the file, for the error
 * @param {string} content
 * @returns {Conversation[]}
 */
export function parseExport(name, content) {
  const { format, version, conversations } = object(parse(name, content), name);
  if (format !== FORMAT) throw wrong(`${name}: format`, format, `"${FORMAT}"`);
  if (version !== VERSION) throw wrong(`${name}: version`, version, `${VERSION}`);
  if (!Array.isArray(conversations)) {
    throw wrong(`${name}: conversations`, conversations, "a list");
  }
  return conversations.map((one, i) => readConversation(one, `${name}: conversations[${i}]`));
}

/**
 * Those of some imported conversations that are not there yet. One that has the id of another, and
 * is not the same, becomes a conversation of its own.
 * @param {Conversation[]} existing
 * @param {Conversation[]} imported
 * @returns {Conversation[]}
 */
export function additions(existing, imported) {
  const byId = new Map(existing.map((one) => [one.id, one]));
  /** @type {Conversation[]} */
  const added = [];
  for (const one of imported) {
    const known = byId.get(one.id);
    if (known && JSON.stringify(known.messages) === JSON.stringify(one.messages)) continue;
    const fresh = known ? { ...one, id: crypto.randomUUID() } : one;
    byId.set(fresh.id, fresh);
    added.push(fresh);
  }
  return added;
}

/**
 * @param {string} name
 * @param {string} content
 * @returns {unknown}
 */
function parse(name, content) {
  try {
    return JSON.parse(content);
  } catch {
    throw new Error(`${name} is not JSON: expected a file that this page exported.`);
  }
}

/**
 * @param {unknown} value
 * @param {string} where
 * @returns {Record<string, unknown>}
 */
function object(value, where) {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return /** @type {Record<string, unknown>} */ (value);
  }
  throw wrong(where, value, "an object");
}

/**
 * @param {unknown} value
 * @param {string} where
 * @returns {string}
 */
function text(value, where) {
  if (typeof value === "string") return value;
  throw wrong(where, value, "a text");
}

/**
 * @param {unknown} value
 * @param {string} where
 * @returns {number}
 */
function time(value, where) {
  if (Number.isSafeInteger(value) && Number(value) >= 0) return Number(value);
  throw wrong(where, value, "a whole number");
}

/**
 * @param {string} where
 * @param {unknown} got
 * @param {string} expected
 * @returns {Error}
 */
function wrong(where, got, expected) {
  const shown = got === undefined ? "nothing" : tidyTitle(JSON.stringify(got), 40);
  return new Error(`${where}: got ${shown}, expected ${expected}.`);
}
