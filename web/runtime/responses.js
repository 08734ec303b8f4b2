/** Events of a request as OpenAI's answers: chunks as they come, or one completion. */

/**
 * @import { ChatChunk, ChatCompletion, ChoiceEvent, Completion, CompletionChunk } from "./types.d.ts"
 * @import { CompletionEvent, FinishReason, TextLogprobs, TokenLogprob, ToolCall, Usage } from "./types.d.ts"
 */

/** @typedef {AsyncGenerator<CompletionEvent, void, void>} Events */
/** @typedef {{id: string, created: number, model: string}} Head */

/**
 * What begins every answer.
 * @param {string} prefix of its id
 * @param {string} model
 * @returns {Head}
 */
export function makeHead(prefix, model) {
  const created = Math.floor(Date.now() / 1000);
  return { id: `${prefix}-${crypto.randomUUID()}`, created, model };
}

/**
 * @param {Events} events
 * @param {Head} head
 * @param {boolean} includeUsage
 * @returns {AsyncGenerator<ChatChunk, void, void>}
 */
export async function* chatChunks(events, head, includeUsage) {
  const begun = new Set();
  const start = {
    ...head,
    object: /** @type {const} */ ("chat.completion.chunk"),
    ...(includeUsage && { usage: null }),
  };
  /** @type {(event: ChoiceEvent, delta: ChatChunk["choices"][0]["delta"]) => ChatChunk} */
  const chunk = ({ index, logprobs, finish_reason = null }, delta) => ({
    ...start,
    choices: [{ index, delta, logprobs: chatLogprobs(logprobs), finish_reason }],
  });
  for await (const event of events) {
    if ("usage" in event) {
      if (includeUsage) yield { ...start, choices: [], usage: event.usage };
      continue;
    }
    const { index, text, tool_calls } = event;
    if (!begun.has(index)) yield chunk({ index }, { role: "assistant", content: "" });
    begun.add(index);
    if (text) yield chunk(event, { content: text });
    else if (tool_calls) {
      yield chunk(event, { tool_calls: tool_calls.map((call, i) => ({ index: i, ...call })) });
    } else yield chunk(event, {});
  }
}

/**
 * @param {Events} events
 * @param {Head} head
 * @returns {Promise<ChatCompletion>}
 */
export async function chatCompletion(events, head) {
  const { replies, usage } = await collect(events);
  return {
    ...head,
    object: "chat.completion",
    choices: replies.map(({ text, logprobs, tool_calls, finish_reason }, index) => ({
      index,
      message: {
        role: "assistant",
        content: text || !tool_calls.length ? text : null,
        refusal: null,
        ...(tool_calls.length && { tool_calls }),
      },
      logprobs: chatLogprobs(logprobs),
      finish_reason,
    })),
    usage,
  };
}

/**
 * @param {Events} events
 * @param {Head} head
 * @param {string} echo stands before every text
 * @param {boolean} includeUsage
 * @returns {AsyncGenerator<CompletionChunk, void, void>}
 */
export async function* textChunks(events, head, echo, includeUsage) {
  /** @type {Map<number, number>} characters of each choice so far */
  const offsets = new Map();
  const start = {
    ...head,
    object: /** @type {const} */ ("text_completion"),
    ...(includeUsage && { usage: null }),
  };
  for await (const event of events) {
    if ("usage" in event) {
      if (includeUsage) yield { ...start, choices: [], usage: event.usage };
      continue;
    }
    const { index, logprobs = [], finish_reason } = event;
    const text = (offsets.has(index) ? "" : echo) + (event.text ?? "");
    const offset = offsets.get(index) ?? 0;
    offsets.set(index, offset + text.length);
    const choice = { index, text, logprobs: textLogprobs(logprobs, offset) };
    yield { ...start, choices: [{ ...choice, finish_reason: textReason(finish_reason) ?? null }] };
  }
}

/**
 * @param {Events} events
 * @param {Head} head
 * @param {string} echo
 * @returns {Promise<Completion>}
 */
export async function textCompletion(events, head, echo) {
  const { replies, usage } = await collect(events);
  return {
    ...head,
    object: "text_completion",
    choices: replies.map(({ text, logprobs, finish_reason }, index) => ({
      index,
      text: echo + text,
      logprobs: textLogprobs(logprobs, 0),
      finish_reason: textReason(finish_reason) ?? "stop",
    })),
    usage,
  };
}

/** @typedef {{text: string, logprobs: TokenLogprob[], tool_calls: ToolCall[], finish_reason: FinishReason}} Reply */

/**
 * Put the pieces of every choice together.
 * @param {Events} events
 * @returns {Promise<{replies: Reply[], usage: Usage}>}
 */
async function collect(events) {
  /** @type {Reply[]} */
  const replies = [];
  /** @type {Usage | undefined} */
  let usage;
  for await (const event of events) {
    if ("usage" in event) {
      usage = event.usage;
      continue;
    }
    const { index, text = "", logprobs = [], tool_calls = [], finish_reason = "stop" } = event;
    replies[index] ??= { text: "", logprobs: [], tool_calls: [], finish_reason };
    const reply = replies[index];
    reply.text += text;
    reply.logprobs.push(...logprobs);
    reply.tool_calls.push(...tool_calls);
    reply.finish_reason = finish_reason;
  }
  return { replies, usage: /** @type {Usage} */ (usage) };
}

/**
 * @param {TokenLogprob[]} [logprobs]
 * @returns {ChatChunk["choices"][0]["logprobs"]}
 */
function chatLogprobs(logprobs) {
  return logprobs?.length ? { content: logprobs, refusal: null } : null;
}

/**
 * @param {TokenLogprob[]} logprobs
 * @param {number} start characters before the first token
 * @returns {TextLogprobs | null}
 */
function textLogprobs(logprobs, start) {
  if (!logprobs.length) return null;
  let offset = start;
  return {
    tokens: logprobs.map(({ token }) => token),
    token_logprobs: logprobs.map(({ logprob }) => logprob),
    top_logprobs: logprobs.map(({ top_logprobs }) =>
      Object.fromEntries(top_logprobs.map(({ token, logprob }) => [token, logprob])),
    ),
    text_offset: logprobs.map(({ token }) => (offset += token.length) - token.length),
  };
}

/**
 * A text calls no functions.
 * @param {FinishReason} [reason]
 */
function textReason(reason) {
  return reason === "tool_calls" ? "stop" : reason;
}
