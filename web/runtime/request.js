/** Checks requests: what is not supported is refused with a named error, never ignored. */

/** @import { ChatRequest, CompletionRequest, ImageSource, ModelInfo } from "./types.d.ts" */
/** @import { Options } from "./options.js" */
/** @import { ToolMessage, Toolset } from "./tools.js" */

import { readContent } from "./content.js";
import { OPTIONS, checkBoolean, checkInteger, checkOptions } from "./options.js";
import { unsupported, wrong } from "./refusal.js";
import { checkToolCalls, checkTools } from "./tools.js";

const COMMON = [...OPTIONS, "n", "stream", "stream_options", "model"];
const CHAT_FIELDS = [...COMMON, ...["messages", "tools", "tool_choice", "parallel_tool_calls"]];
const CHAT_ONLY = ["top_logprobs", "response_format"];
const COMPLETION_FIELDS = [...COMMON, "prompt", "echo"].filter((name) => !CHAT_ONLY.includes(name));
const ROLES = ["system", "developer", "user", "assistant", "tool"];
const MAX_N = 128; // OpenAI's

/**
 * What all requests have, with everything filled in.
 * @typedef {Options & {n: number, stream: boolean, include_usage: boolean}} Common
 */
/** @typedef {Common & {messages: ToolMessage[], images: ImageSource[], tools: Toolset | null}} CheckedChat */
/** @typedef {Common & {prompt: string | number[], echo: boolean}} CheckedCompletion */
/** @typedef {CheckedChat | CheckedCompletion} CheckedRequest */
/** @typedef {Pick<ModelInfo, "id" | "generation">} AskedModel */

/**
 * Check a chat request and fill in what it leaves out.
 * @param {ChatRequest} request
 * @param {AskedModel} model
 * @returns {CheckedChat}
 */
export function checkChatRequest(request, model) {
  const fields = present(request, CHAT_FIELDS);
  const messages = checkMessages(fields.messages);
  const common = checkCommon(fields, fields, model);
  const tools = checkTools(fields);
  if (tools && common.schema) {
    throw wrong("response_format", "JSON", "text beside tools: a reply is one or the other");
  }
  return {
    ...common,
    messages: messages.map(({ images, ...message }) => message),
    images: messages.flatMap(({ images }) => images),
    tools,
  };
}

/**
 * Check a request to continue a text.
 * @param {CompletionRequest} request
 * @param {AskedModel} model
 * @returns {CheckedCompletion}
 */
export function checkCompletionRequest(request, model) {
  const { logprobs, ...fields } = present(request, COMPLETION_FIELDS);
  const { prompt, echo = false } = fields;
  const isText = typeof prompt === "string" && prompt !== "";
  const isTokens = Array.isArray(prompt) && prompt.every(Number.isInteger) && prompt.length > 0;
  if (!isText && !isTokens) throw wrong("prompt", prompt, "one text or the ids of one, not empty");
  const top_logprobs = checkInteger({ logprobs }, "logprobs", 0, 5); // OpenAI's
  const asked = top_logprobs === null ? fields : { ...fields, logprobs: true, top_logprobs };
  const checkedEcho = checkBoolean("echo", echo);
  if (checkedEcho && top_logprobs !== null) throw wrong("echo", echo, "false beside logprobs");
  return {
    ...checkCommon(fields, asked, model),
    prompt: /** @type {string | number[]} */ (prompt),
    echo: checkedEcho,
  };
}

/**
 * The fields that a request has; null is the same as leaving one out.
 * @param {object} request
 * @param {string[]} known
 * @returns {Record<string, unknown>}
 */
function present(request, known) {
  const fields = Object.entries(request).filter(([, value]) => value != null);
  for (const [name] of fields) if (!known.includes(name)) throw unsupported(name, known);
  return Object.fromEntries(fields);
}

/**
 * @param {Record<string, unknown>} fields
 * @param {object} options
 * @param {AskedModel} model
 * @returns {Common}
 */
function checkCommon({ model: id, n, stream = false, stream_options }, options, model) {
  if (id !== undefined && id !== model.id) {
    throw wrong("model", id, `${JSON.stringify(model.id)}, the model that is loaded, or none`);
  }
  const isStream = checkBoolean("stream", stream);
  if (stream_options && !isStream) {
    throw wrong("stream_options", stream_options, "stream to be true beside it");
  }
  const { include_usage = false, ...others } = /** @type {any} */ (stream_options ?? {});
  const [other] = Object.keys(others);
  if (other) throw unsupported(`stream_options.${other}`, ["include_usage"]);
  return {
    ...checkOptions(options, model.generation),
    n: checkInteger({ n }, "n", 1, MAX_N) ?? 1,
    stream: isStream,
    include_usage: checkBoolean("stream_options.include_usage", include_usage),
  };
}

/**
 * @param {unknown} messages
 * @returns {(ToolMessage & {images: ImageSource[]})[]}
 */
function checkMessages(messages) {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw wrong("messages", messages, "a list of at least one message");
  }
  return messages.map((message, i) => checkMessage(message ?? {}, `messages[${i}]`));
}

/**
 * @param {any} message
 * @param {string} name
 * @returns {ToolMessage & {images: ImageSource[]}}
 */
function checkMessage(message, name) {
  const { role } = message;
  if (!ROLES.includes(role)) throw wrong(`${name}.role`, role, ROLES.join(", "));
  const known = ["role", "content"];
  if (role === "assistant") known.push("tool_calls");
  if (role === "tool") known.push("tool_call_id");
  const other = Object.keys(message).find((key) => message[key] != null && !known.includes(key));
  if (other) throw unsupported(`${name}.${other}`, known);
  const calls = message.tool_calls && checkToolCalls(message.tool_calls, `${name}.tool_calls`);
  const content = calls ? (message.content ?? "") : message.content;
  const { text, images } = readContent(content, `${name}.content`);
  return {
    role: role === "developer" ? "system" : role,
    content: text,
    ...(calls && { tool_calls: calls }),
    ...(role === "tool" && { tool_call_id: message.tool_call_id }),
    images,
  };
}
