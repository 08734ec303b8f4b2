/**
 * Functions that a model may ask for: how it is told of them, and how its calls are found in what it
 * writes. The twin of webgemma/runtime/tools.py; docs/javascript.md describes the format.
 */

/** @import { ChatData, Message, Tool, ToolCall } from "./types.d.ts" */

import { ConfigError, UnsupportedError } from "./errors.js";
import { unsupported, wrong } from "./refusal.js";

const GEMMA_TURN = "<start_of_turn>user\n";
const CHOICES = ["none", "auto", "required"];
const FENCED = /^```\w*\s*([^]*?)\s*```$/;
const MAY_BE_CALL = /^\s*($|[[{`])/;

/**
 * A message that may call functions, or bring their results.
 * @typedef {object} ToolMessage
 * @property {"system" | "user" | "assistant" | "tool"} role
 * @property {string} content
 * @property {ToolCall[]} [tool_calls]
 * @property {string} [tool_call_id]
 */

/**
 * Functions to tell a model of.
 * @typedef {object} Toolset
 * @property {Tool["function"][]} functions
 * @property {string} choice "auto", "required", or the name of the one that must be called
 * @property {boolean} parallel whether a reply may call several
 */

/**
 * Check tools and tool_choice; null if there is nothing to tell a model.
 * @param {Record<string, unknown>} fields of the request
 * @returns {Toolset | null}
 */
export function checkTools({ tools, tool_choice = "auto", parallel_tool_calls = true }) {
  if (typeof parallel_tool_calls !== "boolean") {
    throw wrong("parallel_tool_calls", parallel_tool_calls, "true or false");
  }
  const functions = tools === undefined ? [] : checkFunctions(tools);
  const choice = checkChoice(tool_choice, functions);
  if (choice === "none" || !functions.length) return null;
  return { functions, choice, parallel: parallel_tool_calls };
}

/**
 * @param {unknown} tools
 * @returns {Tool["function"][]}
 */
function checkFunctions(tools) {
  if (!Array.isArray(tools)) throw wrong("tools", tools, "a list of functions");
  return tools.map((tool, i) => {
    const { type, function: described, ...rest } = tool ?? {};
    const [other] = Object.keys(rest);
    if (type !== "function") throw wrong(`tools[${i}].type`, type, '"function"');
    if (other) throw unsupported(`tools[${i}].${other}`, ["type", "function"]);
    const { name, description, parameters, ...others } = described ?? {};
    const [unknown] = Object.keys(others).filter((key) => others[key] != null);
    if (unknown) {
      const known = ["name", "description", "parameters"];
      throw unsupported(`tools[${i}].function.${unknown}`, known);
    }
    if (typeof name !== "string" || !/^[\w-]{1,64}$/.test(name)) {
      throw wrong(`tools[${i}].function.name`, name, "1 to 64 letters, digits, _ and -");
    }
    return { name, ...(description && { description }), ...(parameters && { parameters }) };
  });
}

/**
 * @param {any} choice
 * @param {Tool["function"][]} functions
 * @returns {string}
 */
function checkChoice(choice, functions) {
  const name = choice?.type === "function" ? choice.function?.name : choice;
  const isNamed = typeof choice === "object" && functions.some((known) => known.name === name);
  if (isNamed || (CHOICES.includes(choice) && (choice !== "required" || functions.length))) {
    return name;
  }
  throw wrong("tool_choice", choice, `${CHOICES.join(", ")}, or one of tools`);
}

/**
 * @param {unknown} calls
 * @param {string} name
 * @returns {ToolCall[]}
 */
export function checkToolCalls(calls, name) {
  /** @param {any} call */
  const isCall = (call) =>
    typeof call?.id === "string" &&
    call.type === "function" &&
    typeof call.function?.name === "string" &&
    typeof call.function.arguments === "string";
  if (Array.isArray(calls) && calls.length && calls.every(isCall)) return calls;
  throw wrong(name, calls, 'calls {id, type: "function", function: {name, arguments}}');
}

/**
 * A conversation with functions as one of texts alone: a system message tells of them, calls are
 * what the model wrote, and results are the user's messages.
 * @param {ChatData} chat
 * @param {ToolMessage[]} messages
 * @param {Toolset | null} tools
 * @returns {Message[]}
 */
export function plainMessages(chat, messages, tools) {
  const hasTools = tools || messages.some(({ role, tool_calls }) => role === "tool" || tool_calls);
  if (!hasTools) return /** @type {Message[]} */ (messages);
  if (chat.roles.user.prefix !== GEMMA_TURN) {
    throw new UnsupportedError(
      "tools: this model's chat template is not Gemma's, and only for Gemma's a way to tell of " +
        "functions is known. Describe them in a system message.",
    );
  }
  /** @type {Map<string, string>} */
  const names = new Map();
  /** @type {Message[]} */
  const plain = [];
  for (const message of messages) {
    for (const call of message.tool_calls ?? []) names.set(call.id, call.function.name);
    append(plain, readMessage(message, names));
  }
  if (tools) tellOf(tools, plain);
  return plain;
}

/**
 * @param {ToolMessage} message
 * @param {Map<string, string>} names of the functions called so far, by the id of the call
 * @returns {Message}
 */
function readMessage({ role, content, tool_calls, tool_call_id = "" }, names) {
  if (tool_calls) {
    const calls = tool_calls.map(
      ({ function: { name, arguments: json } }) =>
        `{"name": ${JSON.stringify(name)}, "parameters": ${json}}`,
    );
    const written = calls.length > 1 ? `[${calls.join(", ")}]` : calls[0];
    return { role: "assistant", content: content ? `${content}\n${written}` : written };
  }
  if (role !== "tool") return { role, content };
  const name = names.get(tool_call_id);
  if (name !== undefined) return { role: "user", content: `${name} returned:\n${content}` };
  throw new ConfigError(
    `messages: tool_call_id ${JSON.stringify(tool_call_id)} is of no call before it.`,
  );
}

/**
 * Append a message; users' messages in a row are one, as turns have to alternate.
 * @param {Message[]} plain
 * @param {Message} message
 */
function append(plain, message) {
  const last = plain.at(-1);
  if (last?.role === "user" && message.role === "user") last.content += `\n\n${message.content}`;
  else plain.push({ ...message });
}

/**
 * @param {Toolset} tools
 * @param {Message[]} plain gets a system message, or a longer one
 */
function tellOf({ functions, choice, parallel }, plain) {
  const lines = [
    "You can call functions. To call one, reply with nothing but JSON of this form:",
    '{"name": "name of the function", "parameters": {"name of a parameter": value}}',
    ...(parallel ? ["To call several, reply with a list of such objects."] : []),
    ...(choice === "auto" ? ["Where no function helps, reply as usual."] : []),
    "The functions are:",
    ...functions.map((described) => JSON.stringify(described)),
  ];
  const text = lines.join("\n");
  if (plain[0]?.role === "system") plain[0].content += `\n\n${text}`;
  else plain.unshift({ role: "system", content: text });
}

/**
 * How a reply has to begin, where a function must be called.
 * @param {Toolset | null} tools
 * @returns {string}
 */
export function replyStart(tools) {
  if (!tools || tools.choice === "auto") return "";
  if (tools.choice === "required") return '{"name": "';
  return `{"name": ${JSON.stringify(tools.choice)}, "parameters": `;
}

/** Holds text back while it may be a call. */
export class CallText {
  /** @param {Toolset | null} tools */
  constructor(tools) {
    this.tools = tools;
    this.held = replyStart(tools);
    this.isText = !tools;
  }

  /**
   * Add a piece; return the text that is no call.
   * @param {string} piece
   * @returns {string}
   */
  push(piece) {
    if (this.isText) return piece;
    this.held += piece;
    if (MAY_BE_CALL.test(this.held)) return "";
    this.isText = true;
    return this.held;
  }

  /**
   * End the text: the calls that it is, or the rest of it.
   * @returns {{text: string, tool_calls: ToolCall[]}}
   */
  finish() {
    if (!this.tools || this.isText) return { text: "", tool_calls: [] };
    const calls = parseCalls(this.held, this.tools) ?? [];
    return { text: calls.length ? "" : this.held, tool_calls: calls };
  }
}

/**
 * The calls that a reply consists of; null if it is anything else.
 * @param {string} reply
 * @param {Toolset} tools
 * @returns {ToolCall[] | null}
 */
export function parseCalls(reply, { functions, parallel }) {
  const text = reply.trim();
  let value;
  try {
    value = JSON.parse(FENCED.exec(text)?.[1] ?? text);
  } catch {
    return null;
  }
  const calls = (Array.isArray(value) ? value : [value]).map((call) => {
    const parameters = call?.parameters ?? call?.arguments ?? {};
    const isKnown = functions.some(({ name }) => name === call?.name);
    return isKnown && parameters?.constructor === Object ? { ...call, parameters } : null;
  });
  if (!calls.length || calls.includes(null)) return null;
  return calls.slice(0, parallel ? calls.length : 1).map(({ name, parameters }) => ({
    id: `call_${crypto.randomUUID().replaceAll("-", "").slice(0, 24)}`,
    type: "function",
    function: { name, arguments: JSON.stringify(parameters) },
  }));
}
