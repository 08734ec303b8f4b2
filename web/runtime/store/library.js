/**
 * Which files belong to which model, so that what is stored can be listed, deleted, and found again
 * without a network.
 *
 * A model's record is its address and its manifest. It is written as `loading-...` before the first
 * file and as `model-...` after the last, so a site that was rebuilt stays usable as it was until
 * all of the new one has come.
 */

/** @import { Manifest, StoredModel } from "../types.d.ts" */
/** @import { FileStore } from "./store.js" */

import { sha256 } from "../hash.js";

const RECORD = /^(model|loading)-[0-9a-f]{64}\.json$/;
/** A file of a model, or what a tuner found of its program. */
const FILE = /^(?:tuning-)?([0-9a-f]{64})(?:\.json)?$/;

/** @typedef {{url: string, manifest: Manifest}} ModelRecord */

/**
 * Note that the files of a model are about to be stored.
 * @param {FileStore} store
 * @param {URL} url of the model's folder
 * @param {Manifest} manifest
 */
export async function beginModel(store, url, manifest) {
  if (await isComplete(store, url, manifest)) return;
  await writeRecord(store, "loading", { url: url.href, manifest });
}

/**
 * Note that all files of a model were stored, and remove those that no model needs any more.
 * @param {FileStore} store
 * @param {URL} url
 * @param {Manifest} manifest
 */
export async function completeModel(store, url, manifest) {
  if (await isComplete(store, url, manifest)) return;
  await writeRecord(store, "model", { url: url.href, manifest });
  await store.backend.remove(await recordName("loading", url.href));
  await sweep(store);
}

/**
 * Whether this very build of a model was stored completely.
 * @param {FileStore} store
 * @param {URL} url
 * @param {Manifest} manifest
 */
async function isComplete(store, url, manifest) {
  return JSON.stringify(await storedManifest(store, url)) === JSON.stringify(manifest);
}

/**
 * The manifest of a model that was stored completely.
 * @param {FileStore} store
 * @param {URL} url
 * @returns {Promise<Manifest | null>}
 */
export async function storedManifest(store, url) {
  const record = await readRecord(store, await recordName("model", url.href));
  return record?.manifest ?? null;
}

/**
 * What is stored, model by model.
 * @param {FileStore} store
 * @returns {Promise<StoredModel[]>}
 */
export async function listModels(store) {
  const sizes = await store.backend.sizes();
  /** @type {Map<string, StoredModel>} */
  const models = new Map();
  for (const { url, manifest } of await readRecords(store, sizes)) {
    if (models.has(url)) continue;
    const { id, name, files } = manifest;
    const wanted = new Map(Object.values(files).map((file) => [file.sha256, file.nbytes]));
    const stored = [...wanted].filter(([hash, nbytes]) => sizes.get(hash) === nbytes);
    const stored_nbytes = stored.reduce((sum, [, nbytes]) => sum + nbytes, 0);
    const is_complete = sizes.has(await recordName("model", url));
    models.set(url, { url, id, name, stored_nbytes, is_complete });
  }
  return [...models.values()];
}

/**
 * Forget a model, and remove the files that no other model needs.
 * @param {FileStore} store
 * @param {URL} url
 */
export async function deleteModel(store, url) {
  for (const kind of /** @type {const} */ (["model", "loading"])) {
    await store.backend.remove(await recordName(kind, url.href));
  }
  await sweep(store);
}

/**
 * Remove every file that no record names.
 * @param {FileStore} store
 */
async function sweep(store) {
  const sizes = await store.backend.sizes();
  const records = await readRecords(store, sizes);
  const needed = new Set(
    records.flatMap(({ manifest }) => Object.values(manifest.files).map((file) => file.sha256)),
  );
  for (const name of sizes.keys()) {
    const hash = FILE.exec(name)?.[1];
    if (hash && !needed.has(hash)) await store.backend.remove(name);
  }
}

/**
 * @param {FileStore} store
 * @param {Map<string, number>} sizes
 * @returns {Promise<ModelRecord[]>}
 */
async function readRecords(store, sizes) {
  const names = [...sizes.keys()].filter((name) => RECORD.test(name));
  const records = await Promise.all(names.map((name) => readRecord(store, name)));
  return records.filter((record) => record !== null);
}

/**
 * @param {FileStore} store
 * @param {string} name
 * @returns {Promise<ModelRecord | null>} null where there is none, or a write was cut off
 */
async function readRecord(store, name) {
  const bytes = await store.backend.read(name).catch(() => null);
  if (!bytes) return null;
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
}

/**
 * @param {FileStore} store
 * @param {"model" | "loading"} kind
 * @param {ModelRecord} record
 */
async function writeRecord(store, kind, record) {
  const bytes = new TextEncoder().encode(JSON.stringify(record));
  // A disk too full for it: the model runs, and is not found again.
  await store.backend.write(await recordName(kind, record.url), bytes).catch(() => {});
}

/**
 * @param {"model" | "loading"} kind
 * @param {string} url
 */
async function recordName(kind, url) {
  return `${kind}-${await sha256(new TextEncoder().encode(url))}.json`;
}
