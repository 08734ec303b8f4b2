/**
 * Brings one file over the network: whole and with the hash the manifest has, or an error that says
 * what came instead.
 *
 * Sizes come from the manifest, never from Content-Length, which is of the compressed body on some hosts.
 */

/** @import { FileEntry } from "./types.d.ts" */

import { DownloadError, FormatError } from "./errors.js";
import { sha256 } from "./hash.js";

const STALL_TIMEOUT_MS = 30_000; // without a byte
const RETRY_PAUSE_MS = 500; // before the second attempt; three times as long before each further one
const BUSY = [408, 425, 429, 500, 502, 503, 504]; // what a server may get over

/**
 * How often a file is asked for again: a network or a server may recover; a wrong file may be a stale
 * copy on the way; anything else stays as it is.
 */
const ATTEMPTS = { passing: 4, wrong: 2, final: 1 };

/**
 * @typedef {object} DownloadOptions
 * @property {AbortSignal} [signal]
 * @property {(nbytes: number) => void} [onBytes] called with the bytes of each piece that arrives,
 *   and with a negative number when they are thrown away for another attempt
 * @property {RequestCache} [cache] of the first attempt; others go past the browser's cache
 * @property {number} [maxAttempts] fewer than there would be
 * @property {number} [stallTimeoutMs]
 * @property {number} [retryPauseMs]
 */

/** One attempt that failed: with what error, and whether another one may help. */
class Failure extends Error {
  /**
   * @param {keyof typeof ATTEMPTS} kind
   * @param {DownloadError | FormatError} error
   */
  constructor(kind, error) {
    super(error.message);
    this.kind = kind;
    this.error = error;
  }
}

/**
 * Fetch one file and verify it.
 * @param {URL} url
 * @param {string} path as messages name it
 * @param {FileEntry} entry
 * @param {DownloadOptions} [options]
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export function download(url, path, entry, options = {}) {
  return withRetries(options, async (signal, cache, onProgress) => {
    const response = await request(url, path, { signal, cache });
    const bytes = await readExactly(response, path, entry, onProgress);
    const hash = await sha256(bytes);
    if (hash === entry.sha256) return bytes;
    throw new Failure(
      "wrong",
      new FormatError(
        `${path}: got SHA-256 ${hash.slice(0, 16)}..., expected ${entry.sha256.slice(0, 16)}.... ` +
          `The file is damaged: upload it again.`,
      ),
    );
  });
}

/**
 * Fetch a text that nothing vouches for.
 * @param {URL} url
 * @param {string} path as messages name it
 * @param {DownloadOptions} [options]
 * @returns {Promise<string>}
 */
export function downloadText(url, path, options = {}) {
  return withRetries(options, async (signal, cache, onProgress) => {
    const response = await request(url, path, { signal, cache });
    onProgress(0);
    return response.text().catch((cause) => {
      throw new Failure("passing", broken(path, "before the file was complete", cause));
    });
  });
}

/**
 * Attempt something until it succeeds or nothing is to be hoped for.
 * @template T
 * @param {DownloadOptions} options
 * @param {(signal: AbortSignal, cache: RequestCache, onProgress: (nbytes: number) => void) => Promise<T>} attempt
 * @returns {Promise<T>}
 */
async function withRetries(options, attempt) {
  const { signal, onBytes, cache = "default", retryPauseMs = RETRY_PAUSE_MS } = options;
  const later = cache === "no-store" ? cache : "reload";
  const most = options.maxAttempts ?? Infinity;
  for (let count = 1; ; count++) {
    let received = 0;
    const watch = new Watch(signal, options.stallTimeoutMs ?? STALL_TIMEOUT_MS);
    const onProgress = (/** @type {number} */ nbytes) => {
      watch.restart();
      received += nbytes;
      if (nbytes) onBytes?.(nbytes);
    };
    try {
      return await attempt(watch.signal, count === 1 ? cache : later, onProgress);
    } catch (failure) {
      signal?.throwIfAborted();
      if (!(failure instanceof Failure)) throw failure;
      if (received) onBytes?.(-received);
      if (count >= Math.min(most, ATTEMPTS[failure.kind])) throw failure.error;
      if (failure.kind === "passing") await pause(retryPauseMs * 3 ** (count - 1), signal);
    } finally {
      watch.end();
    }
  }
}

/** Ends an attempt with the caller's signal, or when nothing has come for too long. */
class Watch {
  /**
   * @param {AbortSignal | undefined} outer
   * @param {number} timeoutMs
   */
  constructor(outer, timeoutMs) {
    this.controller = new AbortController();
    const { signal } = this.controller;
    this.signal = AbortSignal.any([signal, outer ?? signal]);
    this.timeoutMs = timeoutMs;
    this.restart();
  }

  restart() {
    clearTimeout(this.timer);
    const seconds = this.timeoutMs / 1000;
    const stall = () => this.controller.abort(new Error(`nothing came for ${seconds} s`));
    this.timer = setTimeout(stall, this.timeoutMs);
  }

  end() {
    clearTimeout(this.timer);
  }
}

/**
 * @param {number} ms
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/**
 * Ask for a file; only an answer that can hold it is returned.
 * @param {URL} url
 * @param {string} path
 * @param {RequestInit & {signal: AbortSignal}} init
 * @returns {Promise<Response>}
 */
async function request(url, path, init) {
  let response;
  try {
    response = await fetch(url, { ...init, credentials: "same-origin" });
  } catch (cause) {
    throw new Failure("passing", unreachable(url, path, cause));
  }
  const { status, statusText, headers } = response;
  if (status !== 200) {
    // No range was asked for: 206 and 416 answer somebody else's question.
    const isOdd = response.ok || status === 416;
    const kind = BUSY.includes(status) ? "passing" : isOdd ? "wrong" : "final";
    const message =
      `${path}: the server answered ${status} ${statusText}`.trimEnd() +
      `, expected 200. Upload the whole site folder again.`;
    throw new Failure(kind, new DownloadError(message, { isPassing: kind === "passing" }));
  }
  if (headers.get("content-type")?.startsWith("text/html")) {
    const message =
      `${path}: the server answered with a web page, expected the file. ` +
      `It may send its start page for missing files: upload the whole site folder again.`;
    throw new Failure("wrong", new DownloadError(message));
  }
  return response;
}

/**
 * Read a body of exactly `entry.nbytes` bytes.
 * @param {Response} response
 * @param {string} path
 * @param {FileEntry} entry
 * @param {(nbytes: number) => void} onProgress
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
async function readExactly(response, path, entry, onProgress) {
  const bytes = new Uint8Array(entry.nbytes);
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  let received = 0;
  for (;;) {
    const { done, value } = await reader.read().catch((cause) => {
      const when = `after ${received} of ${entry.nbytes} bytes`;
      throw new Failure("passing", broken(path, when, cause));
    });
    if (done) break;
    if (received + value.length > bytes.length) {
      await reader.cancel();
      throw wrongLength(path, `${received + value.length} bytes or more`, entry);
    }
    bytes.set(value, received);
    received += value.length;
    onProgress(value.length);
  }
  if (received < bytes.length) throw wrongLength(path, `${received} bytes`, entry);
  return bytes;
}

/**
 * @param {string} path
 * @param {string} got
 * @param {FileEntry} entry
 */
function wrongLength(path, got, entry) {
  return new Failure(
    "wrong",
    new FormatError(`${path}: got ${got}, expected ${entry.nbytes}. Upload the file again.`),
  );
}

/**
 * @param {string} path
 * @param {string} when
 * @param {unknown} cause
 */
function broken(path, when, cause) {
  const why = isStall(cause) ? `: ${/** @type {Error} */ (cause).message}` : "";
  return new DownloadError(`${path}: the connection broke ${when}${why}. Try again.`, {
    cause,
    isPassing: true,
  });
}

/**
 * @param {URL} url
 * @param {string} path
 * @param {unknown} cause
 */
function unreachable(url, path, cause) {
  const { message } = /** @type {Error} */ (cause);
  const isForeign = url.origin !== location.origin;
  const hint = isStall(cause)
    ? ` (${message})`
    : isForeign
      ? `, or ${url.host} does not let this page read it (Access-Control-Allow-Origin)`
      : "";
  return new DownloadError(
    `${path}: the server could not be reached${hint}. Check the connection and try again.`,
    { cause, isPassing: true },
  );
}

/** @param {unknown} cause */
function isStall(cause) {
  return cause instanceof Error && cause.message.startsWith("nothing came for ");
}
