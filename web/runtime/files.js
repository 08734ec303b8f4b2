/**
 * Fetches the files of a model and verifies each against webgemma.json: a file is used only when its
 * length and SHA-256 are what the manifest says.
 */

/** @import { FileEntry, Manifest } from "./types.d.ts" */

import { DownloadError, FormatError, UnsupportedError } from "./errors.js";

const MAX_FILE_NBYTES = 64 * 2 ** 20; // shards are at most 32 MiB, a large tokenizer.json about 35
const MANIFEST_VERSION = 1;

/**
 * @typedef {object} FetchOptions
 * @property {AbortSignal} [signal]
 * @property {(nbytes: number) => void} [onBytes] called with the bytes of each piece that arrives,
 *   and with a negative number when they are thrown away for a second try
 */

/**
 * Fetch webgemma.json, the root of trust for all other files of a model.
 * @param {URL} base the folder of the model, ending in "/"
 * @param {FetchOptions} [options]
 * @returns {Promise<Manifest>}
 */
export async function fetchManifest(base, options = {}) {
  const path = "webgemma.json";
  const response = await request(base, path, { signal: options.signal, cache: "no-cache" });
  const manifest = parseJson(path, await response.text());
  if (manifest?.version !== MANIFEST_VERSION) {
    throw new UnsupportedError(
      `${path}: got version ${manifest?.version}, expected ${MANIFEST_VERSION}. ` +
        `Build the site again with one version of webgemma.`,
    );
  }
  for (const key of ["id", "name", "weights", "context", "limits", "generation", "files"]) {
    if (manifest[key] === undefined) {
      throw new FormatError(`${path}: got no '${key}', expected one. Build the site again.`);
    }
  }
  return manifest;
}

/**
 * Fetch one file and verify it.
 * @param {URL} base
 * @param {string} path relative to the model's folder, as the manifest names it
 * @param {Manifest} manifest
 * @param {FetchOptions} [options]
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function fetchFile(base, path, manifest, options = {}) {
  const entry = Object.hasOwn(manifest.files, path) ? manifest.files[path] : undefined;
  if (!entry)
    throw new FormatError(`webgemma.json: got no entry for '${path}'. Build the site again.`);
  checkEntry(path, entry);
  const bytes = await fetchBody(base, path, entry, "default", options);
  if (bytes instanceof Uint8Array && (await isIntact(bytes, entry))) return bytes;
  // A cache may hold a stale or damaged copy: ask the server itself, once.
  options.onBytes?.(-(bytes instanceof Uint8Array ? bytes.length : bytes.received));
  const again = await fetchBody(base, path, entry, "reload", options);
  if (!(again instanceof Uint8Array)) {
    throw new FormatError(
      `${path}: got ${again.received} bytes${again.tooLong ? " or more" : ""}, ` +
        `expected ${entry.nbytes}. Upload the file again.`,
    );
  }
  if (await isIntact(again, entry)) return again;
  throw new FormatError(
    `${path}: got SHA-256 ${(await sha256(again)).slice(0, 16)}..., ` +
      `expected ${entry.sha256.slice(0, 16)}.... The file is damaged: upload it again.`,
  );
}

/**
 * Fetch and parse a JSON file, verified.
 * @param {URL} base
 * @param {string} path
 * @param {Manifest} manifest
 * @param {FetchOptions} [options]
 * @returns {Promise<any>}
 */
export async function fetchJson(base, path, manifest, options) {
  return parseJson(path, await fetchText(base, path, manifest, options));
}

/**
 * Fetch a UTF-8 file, verified.
 * @param {URL} base
 * @param {string} path
 * @param {Manifest} manifest
 * @param {FetchOptions} [options]
 * @returns {Promise<string>}
 */
export async function fetchText(base, path, manifest, options) {
  return new TextDecoder().decode(await fetchFile(base, path, manifest, options));
}

/**
 * The SHA-256 of some bytes in hexadecimal.
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {Promise<string>}
 */
export async function sha256(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {FileEntry} entry
 */
async function isIntact(bytes, entry) {
  return (await sha256(bytes)) === entry.sha256;
}

/**
 * Read a body of exactly `entry.nbytes` bytes, or say how many came instead.
 * @param {URL} base
 * @param {string} path
 * @param {FileEntry} entry
 * @param {RequestCache} cache
 * @param {FetchOptions} options
 * @returns {Promise<Uint8Array<ArrayBuffer> | {received: number, tooLong: boolean}>}
 */
async function fetchBody(base, path, entry, cache, { signal, onBytes }) {
  const response = await request(base, path, { signal, cache });
  const bytes = new Uint8Array(entry.nbytes);
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  let received = 0;
  for (;;) {
    const { done, value } = await reader.read().catch((cause) => {
      signal?.throwIfAborted();
      throw new DownloadError(
        `${path}: the connection broke after ${received} of ${entry.nbytes} bytes. Try again.`,
        { cause },
      );
    });
    if (done) break;
    if (received + value.length > bytes.length) {
      await reader.cancel();
      return { received: received + value.length, tooLong: true };
    }
    bytes.set(value, received);
    received += value.length;
    onBytes?.(value.length);
  }
  return received === bytes.length ? bytes : { received, tooLong: false };
}

/**
 * Fetch a file of the model, or say why it cannot be had.
 * @param {URL} base
 * @param {string} path
 * @param {RequestInit} init
 * @returns {Promise<Response>}
 */
async function request(base, path, init) {
  let response;
  try {
    response = await fetch(new URL(path, base), { ...init, credentials: "same-origin" });
  } catch (cause) {
    init.signal?.throwIfAborted();
    throw new DownloadError(
      `${path}: the server could not be reached. Check the connection and try again.`,
      { cause },
    );
  }
  if (!response.ok) {
    throw new DownloadError(
      `${path}: the server answered ${response.status} ${response.statusText}`.trimEnd() +
        `, expected 200. Upload the whole site folder again.`,
    );
  }
  if (response.headers.get("content-type")?.startsWith("text/html")) {
    throw new DownloadError(
      `${path}: the server answered with a web page, expected the file. ` +
        `It may send its start page for missing files: upload the whole site folder again.`,
    );
  }
  return response;
}

/**
 * @param {string} path
 * @param {FileEntry} entry
 */
function checkEntry(path, entry) {
  const { nbytes, sha256: hash } = entry;
  const isSize = Number.isInteger(nbytes) && nbytes >= 0 && nbytes <= MAX_FILE_NBYTES;
  if (isSize && /^[0-9a-f]{64}$/.test(hash)) return;
  throw new FormatError(
    `webgemma.json: entry '${path}': got ${nbytes} bytes and SHA-256 '${hash}', ` +
      `expected at most ${MAX_FILE_NBYTES} bytes and 64 hexadecimal digits. Build the site again.`,
  );
}

/**
 * @param {string} path
 * @param {string} text
 * @returns {any}
 */
function parseJson(path, text) {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FormatError(`${path}: not valid JSON (${/** @type {Error} */ (cause).message}).`, {
      cause,
    });
  }
}
