/**
 * wllama's names (version 3) for what this engine does, so that a page written for wllama needs
 * another import and another model URL. docs/javascript.md lists them; what is not here does not
 * exist.
 *
 *     import { Wllama } from "./webgemma/compat/wllama.js";
 *     const wllama = new Wllama();
 *     await wllama.loadModelFromUrl("./models/pebble/", { n_ctx: 1024, progressCallback });
 */

/** @import { ChatChunk, ChatRequest, CompletionChunk, CompletionRequest } from "../types.d.ts" */

import { ConfigError, Engine } from "../index.js";
import { unsupported } from "../refusal.js";

/** wllama's names of sampling options -> ours. @type {Record<string, string>} */
const RENAMED = {
  temp: "temperature",
  penalty_repeat: "repetition_penalty",
  penalty_freq: "frequency_penalty",
  penalty_present: "presence_penalty",
};
const LOAD_OPTIONS = ["n_ctx", "progressCallback"];
/** Options that say how llama.cpp's code runs, and change nothing in what it answers. */
const TUNING = ["n_threads", "n_batch", "n_ubatch", "n_gpu_layers", "offload_kqv", "warmup"];
const ANSWER_OPTIONS = ["cache_prompt"]; // the cache of a conversation is always kept

/**
 * @template {object} Request
 * @template Chunk
 * @typedef {Request & {abortSignal?: AbortSignal, onData?: (chunk: Chunk) => void}} Asked
 */

/** wllama's engine: one model. */
export class Wllama {
  /**
   * The paths of wasm files are not needed: there are none.
   * @param {Record<string, string>} [_paths]
   */
  constructor(_paths) {
    /** @type {Engine | null} */
    this.engine = null;
  }

  isModelLoaded() {
    return this.engine !== null;
  }

  /**
   * @param {string} url of a model's folder
   * @param {{n_ctx?: number, progressCallback?: (progress: {loaded: number, total: number}) => void}} [options]
   */
  async loadModelFromUrl(url, options = {}) {
    const other = Object.keys(options).find((name) => ![...LOAD_OPTIONS, ...TUNING].includes(name));
    if (other) throw unsupported(other, [...LOAD_OPTIONS, ...TUNING]);
    if (this.engine) throw new ConfigError("a model is loaded already. Call exit() first.");
    const { n_ctx, progressCallback } = options;
    this.engine = await Engine.load(url, {
      contextWindowSize: n_ctx,
      onProgress: ({ loaded_nbytes: loaded, total_nbytes: total }) => {
        if (total) progressCallback?.({ loaded, total });
      },
    });
  }

  /** The engine that does the work. */
  loaded() {
    if (this.engine) return this.engine;
    throw new ConfigError("no model is loaded. Call loadModelFromUrl(url) first.");
  }

  /** @param {Asked<ChatRequest, ChatChunk>} request */
  async createChatCompletion({ abortSignal: signal, onData, ...request }) {
    const asked = /** @type {ChatRequest} */ (translate(request));
    return deliver(await this.loaded().chat.completions.create(asked, { signal }), onData);
  }

  /** @param {Asked<CompletionRequest, CompletionChunk>} request */
  async createCompletion({ abortSignal: signal, onData, ...request }) {
    const asked = /** @type {CompletionRequest} */ (translate(request));
    return deliver(await this.loaded().completions.create(asked, { signal }), onData);
  }

  /** @param {string} text */
  async tokenize(text) {
    return this.loaded().encode(text);
  }

  /** @param {number[]} tokens */
  async detokenize(tokens) {
    return new TextEncoder().encode(await this.loaded().decode(tokens));
  }

  /** Unload the model, if there is one. */
  async exit() {
    const { engine } = this;
    this.engine = null;
    await engine?.unload();
  }
}

/**
 * A request in our names.
 * @param {Record<string, any>} request
 * @returns {object}
 */
function translate(request) {
  const entries = Object.entries(request)
    .filter(([name]) => !ANSWER_OPTIONS.includes(name))
    .map(([name, value]) => [RENAMED[name] ?? name, value]);
  const renamed = Object.fromEntries(entries);
  const { logit_bias } = renamed;
  if (!Array.isArray(logit_bias)) return renamed;
  const biases = logit_bias.map(({ token, bias }) => [token, bias]);
  return { ...renamed, logit_bias: Object.fromEntries(biases) };
}

/**
 * With a callback, chunks go there.
 * @template T
 * @template Chunk
 * @param {T | AsyncGenerator<Chunk, void, void>} answer
 * @param {((chunk: Chunk) => void) | undefined} onData
 * @returns {Promise<T | AsyncGenerator<Chunk, void, void> | void>}
 */
async function deliver(answer, onData) {
  if (!onData || !(Symbol.asyncIterator in /** @type {object} */ (answer))) return answer;
  for await (const chunk of /** @type {AsyncGenerator<Chunk, void, void>} */ (answer))
    onData(chunk);
}
