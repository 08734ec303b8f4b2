/**
 * Keeps verified files under their SHA-256, so that a site that was rebuilt never meets old bytes and
 * models share what they have in common.
 *
 * Nothing that comes out of it is trusted: a file is hashed again whenever it is read. So a write
 * that was cut off, or a disk that lies, costs a download and nothing else.
 */

/** @import { FileEntry } from "../types.d.ts" */
/** @import { Backend, Memory } from "./backend.d.ts" */

import { intact } from "../hash.js";
import { openCache } from "./cache.js";
import { openOpfs } from "./opfs.js";

/** @typedef {"auto" | Backend["kind"]} StoreKind */

/** Where nothing can be kept, as in some private windows. @type {Backend} */
const MEMORY = {
  kind: "memory",
  read: async () => null,
  write: async () => {},
  remove: async () => {},
  sizes: async () => new Map(),
};
/** @type {Record<Backend["kind"], () => Promise<Backend>>} in order of preference */
const OPENERS = { opfs: openOpfs, cache: openCache, memory: async () => MEMORY };

/**
 * Open the best store that this browser has, or the one that is asked for where it has that.
 * @param {StoreKind} [kind]
 * @returns {Promise<FileStore>}
 */
export async function openStore(kind = "auto") {
  for (const [name, open] of Object.entries(OPENERS)) {
    if (kind !== "auto" && kind !== name) continue;
    const backend = await open().catch(() => null);
    if (backend) return new FileStore(backend);
  }
  return new FileStore(MEMORY);
}

/** Verified files by their hash. */
export class FileStore {
  /** @param {Backend} backend */
  constructor(backend) {
    this.backend = backend;
    this.kind = backend.kind;
    /** Why the browser took no more; the model runs without. @type {string | null} */
    this.refusal = null;
  }

  /**
   * A file that is there and whole. What is not whole is removed.
   * @param {FileEntry} entry
   * @param {Memory} [memory]
   * @returns {Promise<Uint8Array<ArrayBuffer> | null>}
   */
  async get(entry, memory) {
    const bytes = await this.backend.read(entry.sha256, memory).catch(() => null);
    if (!bytes) return null;
    const whole = await intact(bytes, entry, memory?.hasher);
    if (!whole) await this.backend.remove(entry.sha256);
    else if (memory) memory.buffer = whole.buffer;
    return whole;
  }

  /**
   * Keep a verified file. After the first refusal, of a full disk for one, nothing more is tried.
   * @param {FileEntry} entry
   * @param {Uint8Array<ArrayBuffer>} bytes
   */
  async put(entry, bytes) {
    if (this.refusal) return;
    try {
      await this.backend.write(entry.sha256, bytes);
    } catch (error) {
      const { name, message } = /** @type {Error} */ (error);
      this.refusal = `${name}: ${message}`;
    }
  }

  /**
   * Do something with a file alone: another tab that wants the same one waits, and then finds it.
   * @template T
   * @param {FileEntry} entry
   * @param {AbortSignal | undefined} signal
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  async alone(entry, signal, work) {
    if (this.kind === "memory" || !navigator.locks) return work();
    return navigator.locks.request(`webgemma ${entry.sha256}`, { signal }, work);
  }
}
