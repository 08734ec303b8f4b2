/** SHA-256, by which every file of a model is known. */

/** @import { FileEntry } from "./types.d.ts" */

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
 * Whether some bytes are what the manifest says.
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {FileEntry} entry
 * @returns {Promise<boolean>}
 */
export async function isIntact(bytes, entry) {
  return bytes.length === entry.nbytes && (await sha256(bytes)) === entry.sha256;
}
