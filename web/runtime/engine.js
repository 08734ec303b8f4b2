/**
 * The public API: a model in a worker, behind OpenAI's completions.
 *
 *     const engine = await Engine.load("./models/pebble/", { onProgress });
 *     const chunks = await engine.chat.completions.create({ messages, stream: true });
 *     for await (const chunk of chunks) show(chunk.choices[0].delta.content ?? "");
 */

/**
 * @import { ChatChunk, ChatCompletion, ChatRequest, Completion, CompletionChunk } from "./types.d.ts"
 * @import { CompletionEvent, CompletionRequest, ImageSource, LoadOptions } from "./types.d.ts"
 * @import { Diagnostics, DiagnosticsOptions, ModelInfo, RequestOptions } from "./types.d.ts"
 * @import { CheckedRequest } from "./request.js"
 * @import { Choice, Sampling } from "./sampling.js"
 * @import { Generation } from "./session.js"
 */

import { callEvents } from "./events.js";
import { WorkerLink } from "./link.js";
import { checkChatRequest, checkCompletionRequest } from "./request.js";
import { chatChunks, chatCompletion, makeHead, textChunks, textCompletion } from "./responses.js";

/** @typedef {{maxTokens?: number, stopTokenIds?: number[], image?: ImageSource, draft?: boolean}} TokenLimits */
/** @typedef {Partial<Sampling> & TokenLimits} TokenOptions */

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
    /** @type {{completions: {create: Engine["createChat"]}}} */
    this.chat = { completions: { create: this.createChat.bind(this) } };
    /** @type {{create: Engine["createCompletion"]}} */
    this.completions = { create: this.createCompletion.bind(this) };
  }

  /**
   * @overload
   * @param {ChatRequest & {stream: true}} request
   * @param {RequestOptions} [options]
   * @returns {Promise<AsyncGenerator<ChatChunk, void, void>>}
   */
  /**
   * @overload
   * @param {ChatRequest & {stream?: false | null}} request
   * @param {RequestOptions} [options]
   * @returns {Promise<ChatCompletion>}
   */
  /**
   * @overload
   * @param {ChatRequest} request
   * @param {RequestOptions} [options]
   * @returns {Promise<ChatCompletion | AsyncGenerator<ChatChunk, void, void>>}
   */
  /**
   * Reply to a conversation. What OpenAI's API has and this one has not is refused by name.
   * @param {ChatRequest} request
   * @param {RequestOptions} [options]
   * @returns {Promise<ChatCompletion | AsyncGenerator<ChatChunk, void, void>>}
   */
  async createChat(request, { signal } = {}) {
    const checked = checkChatRequest(request, this.info);
    const events = this.events(checked, signal);
    const head = makeHead("chatcmpl", this.info.id);
    if (checked.stream) return chatChunks(events, head, checked.include_usage);
    return chatCompletion(events, head);
  }

  /**
   * @overload
   * @param {CompletionRequest & {stream: true}} request
   * @param {RequestOptions} [options]
   * @returns {Promise<AsyncGenerator<CompletionChunk, void, void>>}
   */
  /**
   * @overload
   * @param {CompletionRequest & {stream?: false | null}} request
   * @param {RequestOptions} [options]
   * @returns {Promise<Completion>}
   */
  /**
   * @overload
   * @param {CompletionRequest} request
   * @param {RequestOptions} [options]
   * @returns {Promise<Completion | AsyncGenerator<CompletionChunk, void, void>>}
   */
  /**
   * Continue a text, without a chat template.
   * @param {CompletionRequest} request
   * @param {RequestOptions} [options]
   * @returns {Promise<Completion | AsyncGenerator<CompletionChunk, void, void>>}
   */
  async createCompletion(request, { signal } = {}) {
    const checked = checkCompletionRequest(request, this.info);
    const echo = checked.echo ? await this.textOf(checked.prompt) : "";
    const events = this.events(checked, signal);
    const head = makeHead("cmpl", this.info.id);
    if (checked.stream) return textChunks(events, head, echo, checked.include_usage);
    return textCompletion(events, head, echo);
  }

  /**
   * @param {string | number[]} prompt
   * @returns {Promise<string>}
   */
  async textOf(prompt) {
    return typeof prompt === "string" ? prompt : this.decode(prompt);
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

  /** End the replies that are being generated or wait for it, as if they were complete. */
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
   * @returns {Promise<Generation & {token_ids: number[], choices: Choice[]}>} with logprobs, `choices`
   *   have them
   */
  async generateTokens(tokenIds, options = {}) {
    /** @type {Choice[]} */
    const choices = [];
    const call = this.link.call("generate", { tokenIds, options }, (choice) => {
      choices.push(choice);
    });
    const generation = await call.result;
    return { ...generation, choices, token_ids: choices.map(({ token_id }) => token_id) };
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
   * What a report of a problem or of a speed should say, without a word of any conversation:
   * adapter, variant, memory, storage, and on request the times of prompts, tokens and kernels.
   * @param {DiagnosticsOptions} [options]
   * @returns {Promise<Diagnostics>}
   */
  async diagnostics({ measure = false, onProgress, signal } = {}) {
    signal?.throwIfAborted();
    const { id, result } = this.link.call("diagnostics", { measure }, onProgress);
    return abortable(this.link, id, result, signal);
  }

  /**
   * The events of a request, in order; requests run one after the other.
   * @param {CheckedRequest} request
   * @param {AbortSignal} [signal]
   * @returns {AsyncGenerator<CompletionEvent, void, void>}
   */
  events(request, signal) {
    return callEvents(this.link, "create", { request }, signal);
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
  try {
    return { link, info: await abortable(link, id, result, signal) };
  } catch (error) {
    link.close();
    throw error;
  }
}

/**
 * The result of a call, which a signal ends early, with its reason.
 * @template T
 * @param {WorkerLink} link
 * @param {number} id of the call
 * @param {Promise<T>} result
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
async function abortable(link, id, result, signal) {
  const abort = () => link.interrupt(id);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    return await result;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}
