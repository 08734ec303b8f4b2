/**
 * Files in the origin's private file system: what a worker writes to fastest, and what may be large.
 *
 * A write that was cut off leaves a short file; whoever reads it checks its hash.
 */

/** @import { Backend, Memory } from "./backend.d.ts" */

const FOLDER = "webgemma";
const LARGE_NBYTES = 2 ** 20; // shards

/**
 * @typedef {object} SyncHandle
 * @property {() => number} getSize
 * @property {(bytes: BufferSource, at: {at: number}) => number} read
 * @property {(bytes: BufferSource, at: {at: number}) => number} write
 * @property {(nbytes: number) => void} truncate
 * @property {() => void} close
 */
/** @typedef {FileSystemFileHandle & {createSyncAccessHandle?: (options?: object) => Promise<SyncHandle>}} FileHandle */
/** @typedef {FileSystemDirectoryHandle & AsyncIterable<[string, FileHandle]>} Folder */

/**
 * Open the folder; fails where the browser has no such file system, or none in a private window.
 * @returns {Promise<Backend>}
 */
export async function openOpfs() {
  const root = await navigator.storage.getDirectory();
  const folder = /** @type {Folder} */ (await root.getDirectoryHandle(FOLDER, { create: true }));
  return {
    kind: "opfs",

    async read(name, memory) {
      const handle = await folder.getFileHandle(name).catch(() => null);
      if (!handle) return null;
      const file = await handle.getFile();
      const bytes = file.size >= LARGE_NBYTES ? await readSync(handle, memory) : null;
      return bytes ?? new Uint8Array(await file.arrayBuffer());
    },

    async write(name, bytes) {
      /** @type {FileHandle} */
      const handle = await folder.getFileHandle(name, { create: true });
      try {
        if (handle.createSyncAccessHandle) await writeSync(handle, bytes);
        else await writeStream(handle, bytes);
      } catch (error) {
        await folder.removeEntry(name).catch(() => {});
        throw error;
      }
    },

    async remove(name) {
      await folder.removeEntry(name).catch(() => {}); // it is gone, or it stays until another time
    },

    async sizes() {
      /** @type {Map<string, number>} */
      const sizes = new Map();
      for await (const [name, handle] of folder) {
        const file = await handle.getFile().catch(() => null); // a file being written may be gone
        if (file) sizes.set(name, file.size);
      }
      return sizes;
    },
  };
}

/**
 * In a worker, without the way through another process that a file's bytes take otherwise. Others may
 * read at the same time, but not write: for files that one tab at a time has to do with.
 * @param {FileHandle} handle
 * @param {Memory} [memory]
 * @returns {Promise<Uint8Array<ArrayBuffer> | null>} null where that is not possible
 */
async function readSync(handle, memory = {}) {
  const file = await handle.createSyncAccessHandle?.({ mode: "read-only" }).catch(() => null);
  if (!file) return null;
  try {
    const nbytes = file.getSize();
    if ((memory.buffer?.byteLength ?? 0) < nbytes) memory.buffer = new ArrayBuffer(nbytes);
    const bytes = new Uint8Array(/** @type {ArrayBuffer} */ (memory.buffer), 0, nbytes);
    file.read(bytes, { at: 0 }); // less would not have the hash
    return bytes;
  } finally {
    file.close();
  }
}

/**
 * In a worker, without a copy of the file beside it.
 * @param {FileHandle} handle
 * @param {Uint8Array<ArrayBuffer>} bytes
 */
async function writeSync(handle, bytes) {
  const file = await /** @type {() => Promise<SyncHandle>} */ (handle.createSyncAccessHandle)();
  try {
    file.truncate(0);
    const written = file.write(bytes, { at: 0 });
    if (written === bytes.length) return; // Chromium says what it has no room for by a wrong count
    throw new DOMException(`no room for ${bytes.length} bytes`, "QuotaExceededError");
  } finally {
    file.close();
  }
}

/**
 * On a page, which has no access handles.
 * @param {FileHandle} handle
 * @param {Uint8Array<ArrayBuffer>} bytes
 */
async function writeStream(handle, bytes) {
  const stream = await handle.createWritable();
  try {
    await stream.write(bytes);
  } catch (error) {
    await stream.abort().catch(() => {});
    throw error;
  }
  await stream.close();
}
