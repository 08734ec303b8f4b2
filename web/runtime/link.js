/** The page's end of the wire to the engine's worker. */

import { DownloadError, WebGemmaError, errorFromData } from "./errors.js";

/**
 * @typedef {object} Pending
 * @property {(value: any) => void} resolve
 * @property {(error: Error) => void} reject
 * @property {(event: any) => void} [onEvent]
 */

/** Calls methods of a worker. Owns the worker: call `close()`. */
export class WorkerLink {
  constructor() {
    this.worker = spare ?? makeWorker();
    spare = null;
    /** @type {Map<number, Pending>} */
    this.pending = new Map();
    this.nextId = 0;
    /** @type {Error | null} */
    this.closed = null;
    this.worker.onmessage = ({ data }) => this.receive(data);
    this.worker.onerror = (event) => {
      event.preventDefault();
      const cause = event.message || "its script could not be loaded";
      this.close(new DownloadError(`the engine's worker failed: ${cause}. Reload the page.`));
    };
  }

  /**
   * Call a method; events come to `onEvent`, the promise has the result.
   * @param {string} method
   * @param {object} [params]
   * @param {(event: any) => void} [onEvent]
   * @param {Transferable[]} [transfer] what of `params` goes over, and is here no more
   * @returns {{id: number, result: Promise<any>}}
   */
  call(method, params = {}, onEvent, transfer = []) {
    const id = this.nextId++;
    if (this.closed) return { id, result: Promise.reject(this.closed) };
    const result = new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject, onEvent });
    });
    this.worker.postMessage({ id, method, params }, transfer);
    return { id, result };
  }

  /**
   * End one call early, or all of them.
   * @param {number} [id]
   */
  interrupt(id) {
    if (!this.closed) this.worker.postMessage({ method: "interrupt", params: { id } });
  }

  /** @param {{id: number, event?: object, result?: unknown, error?: {name: string, message: string}}} data */
  receive(data) {
    const call = this.pending.get(data.id);
    if (!call) return;
    if (data.event) {
      call.onEvent?.(data.event);
      return;
    }
    this.pending.delete(data.id);
    if (data.error) call.reject(errorFromData(data.error));
    else call.resolve(data.result);
  }

  /** @param {Error} [reason] what calls that wait get */
  close(reason = new WebGemmaError("the engine was unloaded. Load a model again.")) {
    this.closed ??= reason;
    this.worker.terminate();
    for (const { reject } of this.pending.values()) reject(reason);
    this.pending.clear();
  }
}

/** @type {Worker | null} */
let spare = null;

/** Start the worker that the next link takes: its scripts come while the page does other things. */
export function startWorker() {
  spare ??= makeWorker();
  spare.onerror = () => (spare = null); // the link starts another, and says what is wrong
}

function makeWorker() {
  return new Worker(/** @type {string} */ (workerUrl()), { type: "module" });
}

/** @type {{createScriptURL(url: string): unknown} | undefined} */
let policy;

/**
 * The worker's URL, in the form that the page's Trusted Types want. The policy makes this one URL.
 * @returns {unknown}
 */
function workerUrl() {
  const url = new URL("./worker.js", import.meta.url).href;
  const { trustedTypes } = /** @type {any} */ (globalThis);
  if (!trustedTypes) return url;
  policy ??= trustedTypes.createPolicy("webgemma", { createScriptURL: () => url });
  return policy?.createScriptURL(url);
}
