/** SHA-256, by which every file of a model is known. */

/** @import { FileEntry } from "./types.d.ts" */
/** @import { WorkerLink } from "./link.js" */

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
 * Some bytes, if they are what the manifest says.
 *
 * Browsers hash in the thread that asks. A `hasher` is another one: the bytes' memory goes there and
 * comes back, and this thread does other things meanwhile.
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {FileEntry} entry
 * @param {WorkerLink} [hasher]
 * @returns {Promise<Uint8Array<ArrayBuffer> | null>} in the same memory
 */
export async function intact(bytes, entry, hasher) {
  if (bytes.length !== entry.nbytes) return null;
  const hashed = hasher?.call("hash", { bytes }, undefined, [bytes.buffer]).result;
  const [hash, same] = (await hashed) ?? [await sha256(bytes), bytes];
  return hash === entry.sha256 ? same : null;
}
