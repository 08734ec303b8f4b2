/** What a load is going to do, before it does it: which program, variant and context, how much memory. */

/** @import { FetchOptions } from "./files.js" */
/** @import { FileStore } from "./store/store.js" */
/** @import { LoadOptions, LoadPlan, Manifest, MemoryEstimate, Program, Variant } from "./types.d.ts" */

import {
  adapterKinds,
  chooseContext,
  neededLimits,
  requestAdapter,
  requiredLimits,
} from "./device.js";
import { GpuError } from "./errors.js";
import { checkVersion, fetchJson, fetchManifest } from "./files.js";
import { measureMemory, shardSizes } from "./memory.js";
import { openStore } from "./store/store.js";
import { chooseVariant, suits } from "./variants.js";

const PROGRAM_VERSION = 1;

/**
 * Choose variant and context for this adapter, and sum up the memory they take.
 * @param {Manifest} manifest
 * @param {Program} program
 * @param {GPUAdapter} adapter
 * @param {LoadOptions} options
 * @returns {LoadPlan}
 */
export function planLoad(manifest, program, adapter, options) {
  const kinds = adapterKinds(adapter);
  const variant = chooseVariant(program.variants, adapter.features, options.variant, kinds);
  const contextWindowSize = chooseContext(manifest, program, options.contextWindowSize);
  checkLimits(manifest, program, variant, contextWindowSize, adapter);
  const memory = measureMemory(program, variant, contextWindowSize, shardSizes(manifest));
  return { variant, contextWindowSize, memory };
}

/**
 * Refuse a context for which the adapter's limits are too small, and say which would fit.
 * @param {Manifest} manifest
 * @param {Program} program
 * @param {Variant} variant
 * @param {number} contextWindowSize
 * @param {GPUAdapter} adapter
 */
export function checkLimits(manifest, program, variant, contextWindowSize, adapter) {
  const have = /** @type {Record<string, number>} */ (/** @type {unknown} */ (adapter.limits));
  /** @type {(context_window_size: number) => Error | null} */
  const shortfall = (context_window_size) => {
    const symbols = { ...variant.symbols, context_window_size };
    try {
      requiredLimits(neededLimits(manifest, program, symbols), have);
      return null;
    } catch (error) {
      return /** @type {Error} */ (error);
    }
  };
  const error = shortfall(contextWindowSize);
  if (!error) return;
  let [largest, tooLarge] = [0, contextWindowSize];
  while (tooLarge - largest > 1) {
    const middle = (largest + tooLarge) >> 1;
    if (shortfall(middle)) tooLarge = middle;
    else largest = middle;
  }
  if (!largest) throw error;
  throw new GpuError(`${error.message} A context of ${largest} tokens would fit.`);
}

/**
 * The variants that this adapter can run, the best first; one alone where it was asked for.
 * @param {Program} program
 * @param {GPUAdapter} adapter
 * @param {string} [name] "auto" or a variant's name
 * @returns {Variant[]}
 */
export function usableVariants({ variants }, adapter, name = "auto") {
  const kinds = adapterKinds(adapter);
  const best = chooseVariant(variants, adapter.features, name, kinds);
  if (name !== "auto") return [best];
  return variants.filter((variant) => suits(variant, adapter.features, kinds));
}

/**
 * How much a model will download and how much memory it will take on this machine; nothing but its
 * manifest and its program is fetched.
 * @param {string | URL} modelUrl the model's folder, relative to the page
 * @param {LoadOptions} [options] as for `Engine.load`
 * @returns {Promise<MemoryEstimate>}
 */
export async function estimateMemory(modelUrl, options = {}) {
  const base = folderUrl(new URL(modelUrl, location.href).href);
  const store = await openStore(options.store);
  const fetching = { signal: options.signal, store };
  const [adapter, manifest] = await Promise.all([requestAdapter(), fetchManifest(base, fetching)]);
  const program = await fetchProgram(base, manifest, fetching);
  const { variant, contextWindowSize, memory } = planLoad(manifest, program, adapter, options);
  const { usage = 0, quota } = (await navigator.storage?.estimate?.()) ?? {};
  const { deviceMemory } = /** @type {{deviceMemory?: number}} */ (navigator);
  return {
    download_nbytes: manifest.weights.nbytes,
    stored_nbytes: await storedNbytes(store, manifest),
    free_storage_nbytes: quota === undefined ? null : Math.max(0, quota - usage),
    device_memory_nbytes: deviceMemory === undefined ? null : deviceMemory * 2 ** 30,
    variant: variant.name,
    context_window_size: contextWindowSize,
    ...memory,
  };
}

/**
 * How much of a model's weights is on this device already.
 * @param {FileStore} store
 * @param {Manifest} manifest
 * @returns {Promise<number>}
 */
async function storedNbytes(store, { files, weights }) {
  const sizes = await store.backend.sizes();
  return Object.entries(files)
    .filter(([path, file]) => path.startsWith(weights.path) && sizes.has(file.sha256))
    .reduce((sum, [, { nbytes }]) => sum + nbytes, 0);
}

/**
 * @param {string} url of a model's folder
 * @returns {URL} ending in "/"
 */
export function folderUrl(url) {
  return new URL(url.endsWith("/") ? url : `${url}/`);
}

/**
 * @param {URL} base
 * @param {Manifest} manifest
 * @param {FetchOptions} options
 * @returns {Promise<Program>}
 */
export async function fetchProgram(base, manifest, options) {
  const program = await fetchJson(base, "program.json", manifest, options);
  checkVersion("program.json", program, PROGRAM_VERSION);
  return program;
}
