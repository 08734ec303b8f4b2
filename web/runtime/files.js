/**
 * The files of a model: from where they are stored, or from the network, and each verified against
 * webgemma.json before any of it is used.
 */

/** @import { FileEntry, Manifest } from "./types.d.ts" */
/** @import { DownloadOptions } from "./download.js" */
/** @import { Memory } from "./store/backend.d.ts" */
/** @import { FileStore } from "./store/store.js" */

import { download, downloadText } from "./download.js";
import { DownloadError, FormatError, UnsupportedError } from "./errors.js";
import { storedManifest } from "./store/library.js";
import { openStore } from "./store/store.js";

const MAX_FILE_NBYTES = 64 * 2 ** 20; // shards are at most 32 MiB, a large tokenizer.json about 35
const MANIFEST = "webgemma.json";
const MANIFEST_VERSION = 1;
const REQUIRED = ["id", "name", "weights", "context", "limits", "generation", "files"];

/**
 * @typedef {DownloadOptions & {
 *   store?: FileStore,
 *   onStored?: (nbytes: number) => void,
 *   memory?: Memory,
 * }} FetchOptions `onStored` is called with the bytes of each file that was there already
 */

/**
 * Fetch webgemma.json, the root of trust for all other files of a model. Where the network is away,
 * it is that of the model as it was last loaded.
 * @param {URL} base the folder of the model, ending in "/"
 * @param {FetchOptions} [options]
 * @returns {Promise<Manifest>}
 */
export async function fetchManifest(base, options = {}) {
  const store = options.store ?? (await openStore());
  const stored = await storedManifest(store, base);
  try {
    const attempts = stored ? { maxAttempts: 1 } : {};
    const asked = { ...options, ...attempts, cache: /** @type {const} */ ("no-cache") };
    return parseManifest(await downloadText(new URL(MANIFEST, base), MANIFEST, asked));
  } catch (error) {
    if (stored && error instanceof DownloadError && error.isPassing) return stored;
    throw error;
  }
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
  const entry = fileEntry(path, manifest);
  const { store, signal } = options;
  const url = fileUrl(base, path, manifest);
  if (!store) return download(url, path, entry, options);
  return store.alone(entry, signal, async () => {
    const stored = await store.get(entry, options.memory);
    if (stored) {
      options.onStored?.(stored.length);
      return stored;
    }
    // What is stored need not be in the browser's own cache too.
    const cache = store.kind === "memory" ? "default" : "no-store";
    const bytes = await download(url, path, entry, { ...options, cache });
    await store.put(entry, bytes);
    return bytes;
  });
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
 * Read the text of webgemma.json.
 * @param {string} text
 * @returns {Manifest}
 */
export function parseManifest(text) {
  const manifest = parseJson(MANIFEST, text);
  checkVersion(MANIFEST, manifest, MANIFEST_VERSION);
  for (const key of REQUIRED) {
    if (manifest[key] === undefined) {
      throw new FormatError(`${MANIFEST}: got no '${key}', expected one. Build the site again.`);
    }
  }
  return manifest;
}

/**
 * @param {string} file
 * @param {{version?: number} | null} content
 * @param {number} expected
 */
export function checkVersion(file, content, expected) {
  if (content?.version === expected) return;
  throw new UnsupportedError(
    `${file}: got version ${content?.version}, expected ${expected}. ` +
      `Build the site again with one version of webgemma.`,
  );
}

/**
 * What the manifest says of a file.
 * @param {string} path
 * @param {Manifest} manifest
 * @returns {FileEntry}
 */
export function fileEntry(path, manifest) {
  const entry = Object.hasOwn(manifest.files, path) ? manifest.files[path] : undefined;
  if (!entry)
    throw new FormatError(`${MANIFEST}: got no entry for '${path}'. Build the site again.`);
  const { nbytes, sha256: hash } = entry;
  const isSize = Number.isInteger(nbytes) && nbytes >= 0 && nbytes <= MAX_FILE_NBYTES;
  if (isSize && /^[0-9a-f]{64}$/.test(hash)) return entry;
  throw new FormatError(
    `${MANIFEST}: entry '${path}': got ${nbytes} bytes and SHA-256 '${hash}', ` +
      `expected at most ${MAX_FILE_NBYTES} bytes and 64 hexadecimal digits. Build the site again.`,
  );
}

/**
 * Where a file is: in the model's folder, or, weights that were built with --weights-url, there.
 * @param {URL} base
 * @param {string} path
 * @param {Manifest} manifest
 * @returns {URL}
 */
export function fileUrl(base, path, { weights }) {
  const isElsewhere = weights.url !== undefined && path.startsWith(weights.path);
  return new URL(path, isElsewhere ? weights.url : base);
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
