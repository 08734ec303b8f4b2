/*! webgemma, Apache-2.0 */

/**
 * The engine's worker: everything that computes runs here, so that the page never waits.
 *
 * Calls come as {id, method, params}; answers go as {id, event}, then {id, result} or {id, error}.
 * Calls run one after the other; `interrupt` alone is heeded at once.
 */

/** @import { Model } from "./load.js" */

import { complete } from "./completion.js";
import { diagnose } from "./diagnostics.js";
import { ConfigError, errorToData } from "./errors.js";
import { sha256 } from "./hash.js";
import { loadModel } from "./load.js";
import { measure } from "./measure.js";
import { folderUrl } from "./plan.js";
import { importFiles } from "./store/import.js";
import { openStore } from "./store/store.js";
import { within } from "./tuner.js";
import { pixelsOf } from "./vision.js";

const PAUSE_MS = 500; // who loads a model often asks at once

/** @typedef {{event: (event: object) => void, signal: AbortSignal}} Call */

/** @typedef {{postMessage(data: object, transfer?: Transferable[]): void, onmessage: (event: MessageEvent) => void}} Scope */

const scope = /** @type {Scope} */ (/** @type {unknown} */ (globalThis));
/** @type {Model | null} */
let model = null;
/** @type {Map<number, AbortController>} calls that run or wait */
const calls = new Map();
/** @type {Promise<void>} the end of the last call */
let last = Promise.resolve();
/** Ends what is done while nobody calls. */
let idle = new AbortController();

function loaded() {
  if (!model) throw new ConfigError("no model is loaded. Call Engine.load first.");
  return model;
}

/** @type {Record<string, (params: any, call: Call) => Promise<unknown>>} */
const methods = {
  async load({ url, options }, { event, signal }) {
    model = await loadModel(url, { ...options, onProgress: event, signal });
    return model.info;
  },

  async import({ url, files }, { event }) {
    return importFiles(await openStore(), folderUrl(url), files, event);
  },

  async create({ request }, { event, signal }) {
    for await (const piece of complete(loaded(), request, signal)) event(piece);
  },

  async generate({ tokenIds, options }, { event, signal }) {
    const { runner, session } = loaded();
    const { image, maxTokens, stopTokenIds, draft, ...sampling } = options;
    const pixels = image ? await pixelsOf(runner, image) : null;
    const settings = { maxTokens, stopTokenIds, draft, sampling, pixels, signal };
    const tokens = session.generate(tokenIds, settings);
    let step = await tokens.next();
    while (!step.done) {
      event(step.value);
      step = await tokens.next();
    }
    return step.value;
  },

  async logits({ tokenIds, options: { image, prefixLength } }) {
    const { runner, session } = loaded();
    const pixels = image ? await pixelsOf(runner, image) : null;
    return session.logits(tokenIds, { pixels, prefixLength });
  },

  async encode({ text }) {
    return loaded().tokenizer.encode(text);
  },

  async decode({ tokenIds }) {
    return loaded().tokenizer.decode(tokenIds);
  },

  async resetChat() {
    loaded().session.reset();
  },

  async diagnostics({ measure: asked }, { event, signal }) {
    const current = loaded();
    const progress = (/** @type {number} */ done, /** @type {number} */ total) =>
      event({ done, total });
    const options = asked === true ? {} : asked;
    const measured = asked ? await measure(current.session, options, progress, signal) : null;
    return { ...(await diagnose(current)), measured };
  },

  /** For another worker (hash.js), to which the bytes go back. */
  async hash({ bytes }) {
    return [await sha256(bytes), bytes];
  },

  async unload() {
    model?.runner.destroy();
    model = null;
  },
};

/**
 * @param {number} id
 * @param {string} method
 * @param {any} params
 * @param {AbortSignal} signal
 */
async function answer(id, method, params, signal) {
  const event = (/** @type {object} */ data) => scope.postMessage({ id, event: data });
  try {
    const result = await methods[method](params, { event, signal });
    scope.postMessage({ id, result }, method === "hash" ? [params.bytes.buffer] : []);
  } catch (error) {
    scope.postMessage({ id, error: errorToData(error) });
  } finally {
    calls.delete(id);
  }
}

/**
 * When nobody has asked for a while: compile what no request needed yet, and search for faster
 * kernels, if there is no conversation that it could spoil.
 */
async function useIdleTime() {
  if (calls.size || !model) return;
  idle = new AbortController();
  const { signal } = idle;
  try {
    await within(new Promise(() => {}), { deadline: performance.now() + PAUSE_MS, signal });
    if (signal.aborted) return;
    await within(model.runner.prepareRest(), { deadline: Infinity, signal });
    if (model.session.isNew) await model.tuner?.run(signal);
  } catch (error) {
    model.tuner = null;
    console.debug(`tuning: ${error}`);
  }
}

scope.onmessage = ({ data: { id, method, params } }) => {
  if (method === "interrupt") {
    for (const [other, controller] of calls) {
      if (params.id === undefined || params.id === other) controller.abort();
    }
    return;
  }
  const controller = new AbortController();
  calls.set(id, controller);
  idle.abort();
  last = last.then(() => answer(id, method, params, controller.signal)).then(useIdleTime);
};
