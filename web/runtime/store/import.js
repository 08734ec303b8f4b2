/** Takes files from a folder of this device into the store, each where its hash says it belongs. */

/** @import { FileStore } from "./store.js" */

import { ConfigError } from "../errors.js";
import { fetchManifest, fileEntry } from "../files.js";
import { sha256 } from "../hash.js";
import { beginModel, completeModel } from "./library.js";

/** @typedef {{loaded_nbytes: number, total_nbytes: number}} ImportProgress */

/**
 * Store what the manifest of a model names among some files.
 * @param {FileStore} store
 * @param {URL} base the model's folder
 * @param {File[]} files
 * @param {(progress: ImportProgress) => void} onProgress
 * @returns {Promise<{imported: number, missing: string[]}>}
 */
export async function importFiles(store, base, files, onProgress) {
  if (store.kind === "memory") {
    throw new ConfigError("import: this browser keeps no files here. Leave the private window.");
  }
  const manifest = await fetchManifest(base, { store });
  const entries = Object.keys(manifest.files).map((path) => fileEntry(path, manifest));
  const sizes = new Set(entries.map(({ nbytes }) => nbytes));
  const candidates = files.filter((file) => sizes.has(file.size)); // no other can be one of them
  const total_nbytes = candidates.reduce((sum, file) => sum + file.size, 0);
  let loaded_nbytes = 0;
  let imported = 0;
  await beginModel(store, base, manifest);
  for (const file of candidates) {
    const bytes = new Uint8Array(await file.arrayBuffer());
    const hash = await sha256(bytes);
    const entry = entries.find((one) => one.sha256 === hash);
    if (entry) {
      await store.put(entry, bytes);
      imported += 1;
    }
    loaded_nbytes += bytes.length;
    onProgress({ loaded_nbytes, total_nbytes });
  }
  if (store.refusal) {
    throw new ConfigError(
      `import: the browser took no more files (${store.refusal}). Free space and try again.`,
    );
  }
  const stored = await store.backend.sizes();
  const missing = Object.entries(manifest.files)
    .filter(([, { sha256, nbytes }]) => stored.get(sha256) !== nbytes)
    .map(([path]) => path);
  if (!missing.length) await completeModel(store, base, manifest);
  return { imported, missing };
}
