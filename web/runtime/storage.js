/** What a page may do with the models that are kept on this device: list, delete, import, protect. */

/** @import { Backend } from "./store/backend.d.ts" */
/** @import { StoredModel } from "./types.d.ts" */

import { WorkerLink } from "./link.js";
import { folderUrl } from "./plan.js";
import { deleteModel, listModels } from "./store/library.js";
import { openStore } from "./store/store.js";

/**
 * @typedef {object} StorageReport
 * @property {Backend["kind"]} kind "memory" keeps nothing
 * @property {StoredModel[]} models of this origin, complete or not
 * @property {number} used_nbytes of the whole origin, as the browser counts it
 * @property {number} free_nbytes that it says it would give; Infinity where it does not say
 * @property {boolean} is_persistent whether the browser promised not to clear it by itself
 */

/**
 * What is stored, and how much room there is.
 * @returns {Promise<StorageReport>}
 */
export async function storageReport() {
  const store = await openStore();
  const [models, { usage = 0, quota = Infinity }, is_persistent] = await Promise.all([
    listModels(store),
    navigator.storage?.estimate?.() ?? {},
    navigator.storage?.persisted?.() ?? false,
  ]);
  const free_nbytes = Math.max(0, quota - usage);
  return { kind: store.kind, models, used_nbytes: usage, free_nbytes, is_persistent };
}

/**
 * Delete what is stored of a model; files that another model has too stay.
 * @param {string | URL} modelUrl the model's folder, relative to the page
 */
export async function deleteStoredModel(modelUrl) {
  await deleteModel(await openStore(), folderUrl(new URL(modelUrl, location.href).href));
}

/**
 * Ask the browser not to clear the site's storage by itself. Some ask their user: call it when
 * somebody has asked for a large model.
 * @returns {Promise<boolean>} whether it promised
 */
export async function persistStorage() {
  return (await navigator.storage?.persist?.()) ?? false;
}

/**
 * Store a model from files on this device, such as a copy of its folder on a disk: `Engine.load`
 * then downloads only what was not among them. Which file is which is told by size and hash.
 * @param {string | URL} modelUrl where the site has the model; only its manifest is fetched
 * @param {Iterable<File>} files of an <input type="file" multiple> (or webkitdirectory) or a drop
 * @param {(progress: {loaded_nbytes: number, total_nbytes: number}) => void} [onProgress]
 * @returns {Promise<{imported: number, missing: string[]}>} how many files of the model were found,
 *   and the paths of those that are not stored now
 */
export async function importModel(modelUrl, files, onProgress) {
  const url = new URL(modelUrl, location.href).href;
  const link = new WorkerLink();
  try {
    return await link.call("import", { url, files: [...files] }, onProgress).result;
  } finally {
    link.close();
  }
}
