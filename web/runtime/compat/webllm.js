/**
 * WebLLM's names for what this engine does, so that a page written for WebLLM needs another import
 * and another model id. docs/javascript.md lists them; what is not here does not exist.
 *
 *     import { CreateMLCEngine } from "./webgemma/compat/webllm.js";
 *     const engine = await CreateMLCEngine("pebble", { initProgressCallback });
 */

/** @import { ChatRequest, CompletionRequest, Progress } from "../types.d.ts" */

import { ConfigError, Engine } from "../index.js";
import { unsupported } from "../refusal.js";

/** @typedef {{progress: number, timeElapsed: number, text: string}} InitProgressReport */
/** @typedef {(report: InitProgressReport) => void} InitProgressCallback */
/** @typedef {{initProgressCallback?: InitProgressCallback}} EngineConfig */
/** @typedef {{context_window_size?: number, temperature?: number, top_p?: number, presence_penalty?: number, frequency_penalty?: number, repetition_penalty?: number}} ChatOptions */

const SAMPLING = [
  "temperature",
  "top_p",
  "presence_penalty",
  "frequency_penalty",
  "repetition_penalty",
];

/**
 * Load a model of this site by its id, or by the URL of its folder.
 * @param {string} modelId
 * @param {EngineConfig} [engineConfig]
 * @param {ChatOptions} [chatOpts]
 * @returns {Promise<MLCEngine>}
 */
export async function CreateMLCEngine(modelId, engineConfig = {}, chatOpts = {}) {
  const engine = new MLCEngine(engineConfig);
  await engine.reload(modelId, chatOpts);
  return engine;
}

/** WebLLM's engine. */
export class MLCEngine {
  /** @param {EngineConfig} [engineConfig] */
  constructor(engineConfig = {}) {
    refuse(engineConfig, ["initProgressCallback"]);
    this.initProgressCallback = engineConfig.initProgressCallback;
    /** @type {Engine | null} */
    this.engine = null;
    this.modelId = "";
    /** @type {Partial<ChatRequest>} of every request that does not say otherwise */
    this.defaults = {};
    this.message = "";
    this.chat = {
      completions: {
        /** @param {ChatRequest} request */
        create: (request) => this.chatCompletion(request),
      },
    };
    this.completions = {
      /** @param {CompletionRequest} request */
      create: (request) => this.completion(request),
    };
  }

  /** @param {InitProgressCallback} callback */
  setInitProgressCallback(callback) {
    this.initProgressCallback = callback;
  }

  /**
   * Load another model.
   * @param {string} modelId
   * @param {ChatOptions} [chatOpts]
   */
  async reload(modelId, chatOpts = {}) {
    refuse(chatOpts, [...SAMPLING, "context_window_size"]);
    await this.unload();
    const { context_window_size, ...defaults } = chatOpts;
    const url = modelId.includes("/") ? modelId : `./models/${encodeURIComponent(modelId)}/`;
    this.engine = await Engine.load(url, {
      contextWindowSize: context_window_size,
      onProgress: (progress) => this.initProgressCallback?.(report(progress)),
    });
    this.modelId = modelId;
    this.defaults = defaults;
  }

  /** The engine that does the work. */
  loaded() {
    if (this.engine) return this.engine;
    throw new ConfigError("no model is loaded. Call reload(modelId) first.");
  }

  /**
   * @template {ChatRequest | CompletionRequest} T
   * @param {T} request
   * @returns {T}
   */
  complete(request) {
    const { model, ...rest } = request;
    const known = model === this.modelId ? rest : request;
    return /** @type {T} */ ({ ...this.defaults, ...known });
  }

  /** @param {ChatRequest} request */
  async chatCompletion(request) {
    const answer = await this.loaded().chat.completions.create(this.complete(request));
    this.message = "";
    if ("choices" in answer) {
      this.message = answer.choices[0].message.content ?? "";
      return answer;
    }
    return this.listen(answer);
  }

  /**
   * Note what a stream says, for `getMessage`.
   * @param {AsyncGenerator<import("../types.d.ts").ChatChunk, void, void>} chunks
   */
  async *listen(chunks) {
    for await (const chunk of chunks) {
      const [choice] = chunk.choices;
      if (choice?.index === 0) this.message += choice.delta.content ?? "";
      yield chunk;
    }
  }

  /** @param {CompletionRequest} request */
  async completion(request) {
    return this.loaded().completions.create(this.complete(request));
  }

  /** The text of the last reply. */
  async getMessage() {
    return this.message;
  }

  async interruptGenerate() {
    this.engine?.interrupt();
  }

  async resetChat() {
    await this.engine?.resetChat();
  }

  async unload() {
    const { engine } = this;
    this.engine = null;
    await engine?.unload();
  }
}

/**
 * @param {object} options
 * @param {string[]} known
 */
function refuse(options, known) {
  const other = Object.keys(options).find((name) => !known.includes(name));
  if (other) throw unsupported(other, known);
}

/**
 * @param {Progress} progress
 * @returns {InitProgressReport}
 */
function report({ stage, loaded_nbytes, total_nbytes, duration_ms }) {
  const share = total_nbytes ? loaded_nbytes / total_nbytes : 0;
  return {
    progress: stage === "ready" ? 1 : Math.min(share, 0.99),
    timeElapsed: duration_ms / 1000,
    text: `${stage}: ${loaded_nbytes} of ${total_nbytes} bytes`,
  };
}
