/**
 * The public API: a model in a worker, behind OpenAI's chat completions.
 *
 *     const engine = await Engine.load("./models/pebble/", { onProgress });
 *     const chunks = await engine.chat.completions.create({ messages, stream: true });
 *     for await (const chunk of chunks) show(chunk.choices[0].delta.content ?? "");
 */

/**
 * @import { ChatChunk, ChatCompletion, ChatRequest, CompletionEvent, FinishReason } from "./types.d.ts"
 * @import { ImageSource, LoadOptions, ModelInfo, Usage } from "./types.d.ts"
 * @import { CheckedRequest } from "./request.js"
 * @import { Sampling } from "./sampling.js"
 * @import { Generation } from "./session.js"
 */

import { WorkerLink } from "./link.js";
import { checkRequest } from "./request.js";

/** @typedef {Partial<Sampling> & {maxTokens?: number, stopTokenIds?: number[], image?: ImageSource}} TokenOptions */

/** A loaded model. Owns a worker and GPU memory: call `unload()`. */
export class Engine {
  /**
   * Load a model in a worker of its own.
   * @param {string | URL} modelUrl the model's folder, relative to the page
   * @param {LoadOptions} [options]
   * @returns {Promise<Engine>}
   */
  static async load(modelUrl, options = {}) {
    const url = new URL(modelUrl, location.href).href;
    return new Engine(url, options, await connect(url, options));
  }

  /**
   * Use `Engine.load`.
   * @param {string} url
   * @param {LoadOptions} options
   * @param {{link: WorkerLink, info: ModelInfo}} connection
   */
  constructor(url, options, { link, info }) {
    this.url = url;
    this.options = options;
    this.link = link;
    /** What the model is and runs on. */
    this.info = info;
    /** @type {{completions: {create: Engine["create"]}}} */
    this.chat = { completions: { create: this.create.bind(this) } };
  }

  /**
   * @overload
   * @param {ChatRequest & {stream: true}} request
   * @returns {Promise<AsyncGenerator<ChatChunk, void, void>>}
   */
  /**
   * @overload
   * @param {ChatRequest} request
   * @returns {Promise<ChatCompletion>}
   */
  /**
   * Reply to a conversation. What OpenAI's API has and this one has not is refused by name.
   * @param {ChatRequest} request
   * @returns {Promise<ChatCompletion | AsyncGenerator<ChatChunk, void, void>>}
   */
  async create(request) {
    const checked = checkRequest(request);
    const events = this.events(checked);
    const head = { id: `chatcmpl-${crypto.randomUUID()}`, created: Math.floor(Date.now() / 1000) };
    if (checked.stream) return chunks(events, { ...head, model: this.info.id });
    return whole(events, { ...head, model: this.info.id });
  }

  /**
   * Build the model up again after the GPU was lost or refused something: in a new worker, from the
   * files that are stored, so without a download where they are. Send the conversation again then.
   * @param {LoadOptions} [options] in place of those it was loaded with, such as a shorter context
   */
  async recover({ signal, ...options } = {}) {
    this.link.close();
    this.options = { ...this.options, ...options };
    const { link, info } = await connect(this.url, { ...this.options, signal });
    this.link = link;
    this.info = info;
  }

  /**
   * Stop the reply that is being generated; it ends with finish_reason "abort".
   */
  interrupt() {
    this.link.interrupt();
  }

  /** Forget the conversation: the next request is prefilled from its start. */
  async resetChat() {
    await this.link.call("resetChat").result;
  }

  /** Free the GPU's memory and end the worker. */
  async unload() {
    this.interrupt();
    try {
      await this.link.call("unload").result;
    } finally {
      this.link.close();
    }
  }

  /**
   * Text to token ids.
   * @param {string} text
   * @returns {Promise<number[]>}
   */
  encode(text) {
    return this.link.call("encode", { text }).result;
  }

  /**
   * Token ids to text.
   * @param {number[]} tokenIds
   * @returns {Promise<string>}
   */
  decode(tokenIds) {
    return this.link.call("decode", { tokenIds }).result;
  }

  /**
   * Continue token ids, without a chat template; greedy unless a temperature is given.
   * @param {number[]} tokenIds
   * @param {TokenOptions} [options]
   * @returns {Promise<Generation & {token_ids: number[]}>}
   */
  async generateTokens(tokenIds, options = {}) {
    /** @type {number[]} */
    const token_ids = [];
    const call = this.link.call("generate", { tokenIds, options }, (event) =>
      token_ids.push(event.token_id),
    );
    return { ...(await call.result), token_ids };
  }

  /**
   * The logits after every token, for tests and evaluation; starts a new conversation.
   * @param {number[]} tokenIds
   * @param {{image?: ImageSource, prefixLength?: number}} [options] of a model that sees: what the image
   *   tokens stand for, and how many of the first tokens see each other
   * @returns {Promise<Float32Array>} [tokens, vocab_size]
   */
  logits(tokenIds, options = {}) {
    return this.link.call("logits", { tokenIds, options }).result;
  }

  /**
   * The events of one reply, in order. Leaving the loop early stops the reply.
   * @param {CheckedRequest} request
   * @returns {AsyncGenerator<CompletionEvent, void, void>}
   */
  async *events(request) {
    /** @type {CompletionEvent[]} */
    const queue = [];
    let wake = () => {};
    let done = false;
    const { id, result } = this.link.call("create", { request }, (event) => {
      queue.push(event);
      wake();
    });
    const end = result.finally(() => {
      done = true;
      wake();
    });
    end.catch(() => {}); // thrown below
    try {
      while (!done || queue.length) {
        const event = queue.shift();
        if (event) yield event;
        else await new Promise((resolve) => (wake = () => resolve(undefined)));
      }
      await end;
    } finally {
      if (!done) this.link.interrupt(id);
    }
  }
}

/**
 * Load a model in a new worker.
 * @param {string} url
 * @param {LoadOptions} options
 * @returns {Promise<{link: WorkerLink, info: ModelInfo}>}
 */
async function connect(url, { onProgress, signal, ...options }) {
  signal?.throwIfAborted();
  const link = new WorkerLink();
  const { id, result } = link.call("load", { url, options }, onProgress);
  const abort = () => link.interrupt(id);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    return { link, info: await result };
  } catch (error) {
    link.close();
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

/** @typedef {{id: string, created: number, model: string}} Head */

/**
 * Events as OpenAI's chunks; the last one has the finish reason and the usage.
 * @param {AsyncGenerator<CompletionEvent, void, void>} events
 * @param {Head} head
 * @returns {AsyncGenerator<ChatChunk, void, void>}
 */
async function* chunks(events, head) {
  /** @type {(delta: ChatChunk["choices"][0]["delta"], reason?: FinishReason, usage?: Usage) => ChatChunk} */
  const chunk = (delta, reason, usage) => ({
    ...head,
    object: "chat.completion.chunk",
    choices: [{ index: 0, delta, finish_reason: reason ?? null }],
    ...(usage && { usage }),
  });
  yield chunk({ role: "assistant", content: "" });
  for await (const event of events) {
    if ("text" in event) yield chunk({ content: event.text });
    else yield chunk({}, event.finish_reason, event.usage);
  }
}

/**
 * Events as one of OpenAI's completions.
 * @param {AsyncGenerator<CompletionEvent, void, void>} events
 * @param {Head} head
 * @returns {Promise<ChatCompletion>}
 */
async function whole(events, head) {
  let content = "";
  /** @type {{finish_reason: FinishReason, usage: Usage} | undefined} */
  let end;
  for await (const event of events) {
    if ("text" in event) content += event.text;
    else end = event;
  }
  const { finish_reason, usage } = /** @type {NonNullable<typeof end>} */ (end);
  return {
    ...head,
    object: "chat.completion",
    choices: [{ index: 0, message: { role: "assistant", content }, finish_reason }],
    usage,
  };
}
