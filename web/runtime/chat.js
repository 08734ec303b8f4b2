/**
 * A chat as tokens: fixed pieces around the messages. The twin of webgemma/chat/render.py.
 */
/** @import { ChatData, ChatRole, Message } from "./types.d.ts" */
/** @import { Tokenizer } from "./tokenizer.js" */
import { ConfigError } from "./errors.js";

const ORDER = "Roles go: system (at most one, first), then user and assistant in turn.";
// What Python's str.strip() removes, and with it jinja2's `trim`; String.trim() differs.
const WHITESPACE =
  "\\t\\n\\v\\f\\r\\x1c-\\x1f \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const LEADING = new RegExp(`^[${WHITESPACE}]+`);
const IS_SPACE = new RegExp(`[${WHITESPACE}]`);

/**
 * Encode a chat so that the model answers its last message.
 *
 * The template's control tokens become ids; what the messages hold is text, whatever it looks
 * like. Text of template and message that touches is encoded as one string.
 * @param {ChatData | null} chat the template, or null for a model without one
 * @param {Message[]} messages `content` is a string; the last role is "user"
 * @param {Tokenizer} tokenizer the model's
 * @returns {number[]}
 */
export function renderChat(chat, messages, tokenizer) {
  checkMessages(chat, messages, { needsReply: true });
  /** @type {(number | string)[]} */
  const segments = [];
  for (const [text, isTemplate] of chatParts(chat, messages, { addGenerationPrefix: true })) {
    segments.push(...(isTemplate ? tokenizer.splitControl(text) : [text]));
  }
  return tokenizer.encodeSegments(segments);
}

/**
 * Render a chat as the text that the jinja2 template would give.
 * @param {ChatData} chat
 * @param {Message[]} messages
 * @param {{ addGenerationPrefix: boolean }} options
 */
export function renderText(chat, messages, { addGenerationPrefix }) {
  checkMessages(chat, messages, { needsReply: false });
  return chatParts(chat, messages, { addGenerationPrefix })
    .map(([text]) => text)
    .join("");
}

/**
 * Check roles, their order and contents; the messages are the same in Python.
 * @param {ChatData | null} chat
 * @param {Message[]} messages
 * @param {{ needsReply: boolean }} options
 * @returns {asserts chat is ChatData}
 */
export function checkMessages(chat, messages, { needsReply }) {
  if (!chat) {
    throw new ConfigError(
      "chat: this model has no chat template. " +
        "Give it a plain prompt, or build it with --chat-template.",
    );
  }
  if (messages.length === 0) {
    throw new ConfigError("messages: got none, expected at least one with role user.");
  }
  const numSystem = messages[0].role === "system" ? 1 : 0;
  messages.forEach((message, index) => {
    const turn = (index - numSystem) % 2 ? "assistant" : "user";
    const expected = index < numSystem ? "system" : turn;
    if (message.role !== expected) {
      throw new ConfigError(
        `messages[${index}]: got role ${quote(message.role)}, expected "${expected}". ${ORDER}`,
      );
    }
    if (typeof message.content !== "string") {
      throw new ConfigError(`messages[${index}]: content is not a string. Only text is supported.`);
    }
  });
  const last = messages[messages.length - 1].role;
  if (last === "system" || (needsReply && last !== "user")) {
    throw new ConfigError(
      `messages: the last one has role "${last}", expected "user". ` +
        "The model answers the last message.",
    );
  }
}

/**
 * List the texts of a chat in order, each with whether it is the template's.
 * @param {ChatData} chat
 * @param {Message[]} messages
 * @param {{ addGenerationPrefix: boolean }} options
 * @returns {[string, boolean][]}
 */
function chatParts(chat, messages, { addGenerationPrefix }) {
  /** @type {[string, boolean][]} */
  let parts = [];
  messages.forEach((message, index) => {
    const role = chat.roles[message.role];
    const followsSystem = index === 1 && messages[0].role === "system";
    if (message.role === "system") {
      parts.push([role.prefix, true]); // stands for the chat's prefix too
    } else if (index === 0) {
      parts.push([chat.prefix, true], [role.prefix, true]);
    } else if (!followsSystem) {
      parts.push([role.prefix, true]); // the system's suffix stands for the user's prefix
    }
    const content = withoutThought(message.content, role);
    if (followsSystem && chat.roles.system.joined) {
      parts = [parts[0], ...trimEnd([...parts.slice(1), [content, false]])];
    } else {
      parts.push([role.trim ? stripEnd(stripStart(content)) : content, false]);
    }
    parts.push([role.suffix, true]);
  });
  if (addGenerationPrefix) parts.push([chat.generation_prefix, true]);
  return parts;
}

/**
 * Leave out of an earlier reply what the model thought before it.
 * @param {string} content
 * @param {ChatRole} role
 */
function withoutThought(content, { thought }) {
  if (!thought || !content.includes(thought.end)) return content;
  const reply = content.slice(content.lastIndexOf(thought.end) + thought.end.length);
  return thought.trim_lines ? reply.replace(/^\n+/, "") : reply;
}

/**
 * Remove white space at the end of texts that are one.
 * @param {[string, boolean][]} parts
 */
function trimEnd(parts) {
  for (let index = parts.length - 1; index >= 0; index--) {
    const [text, isTemplate] = parts[index];
    parts[index] = [stripEnd(text), isTemplate];
    if (parts[index][0]) break;
  }
  return parts;
}

/**
 * Remove white space at the beginning as Python's str.lstrip() does.
 * @param {string} text
 */
function stripStart(text) {
  return text.replace(LEADING, "");
}

/**
 * Remove white space at the end as Python's str.rstrip() does.
 * @param {string} text
 */
function stripEnd(text) {
  let end = text.length;
  while (end > 0 && IS_SPACE.test(text[end - 1])) end--; // a pattern for the end would be quadratic
  return text.slice(0, end);
}

/**
 * Quote a role for an error message.
 * @param {unknown} value
 */
function quote(value) {
  return typeof value === "string" ? JSON.stringify(value) : "none";
}
