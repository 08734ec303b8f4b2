/**
 * How much memory a model takes: the sizes of its program's own buffers, summed as the runner makes
 * them. The twin of webgemma/program/memory.py; both pass tests/cases/memory.json.
 */

/** @import { BindingRange, Manifest, Memory, Program, ProgramBuffer, Variant } from "./types.d.ts" */

import { evaluate } from "./expr.js";
import { PARALLEL_SHARDS } from "./shards.js";
import { textureNbytes } from "./tiles.js";

const WORD_NBYTES = 4;
const COPIES = 2; // of a shard in flight: what arrived, and what the GPU has not yet taken over

/**
 * Whether a variant keeps a buffer in a texture.
 * @param {ProgramBuffer} buffer
 * @param {Variant} variant
 * @returns {boolean}
 */
export function isTexture(buffer, variant) {
  return buffer.kind === "matrix" && (variant.matrices ?? "rows") !== "rows";
}

/**
 * What the runner allocates for a buffer: whole words, as WebGPU copies them; whole rows of a texture.
 * @param {ProgramBuffer} buffer
 * @param {Variant} variant
 * @param {Record<string, number>} symbols
 * @returns {number}
 */
export function allocatedNbytes(buffer, variant, symbols) {
  const nbytes = evaluate(buffer.nbytes, symbols);
  if (isTexture(buffer, variant)) return textureNbytes(nbytes);
  return Math.ceil(nbytes / WORD_NBYTES) * WORD_NBYTES;
}

/**
 * Bytes that a range binds of a buffer of `whole` bytes.
 * @param {BindingRange} range
 * @param {number} whole
 * @param {Record<string, number>} symbols
 * @returns {number}
 */
export function boundNbytes({ offset = 0, nbytes }, whole, symbols) {
  return nbytes === undefined ? whole - offset : evaluate(nbytes, symbols);
}

/**
 * The memory of a program.
 * @param {Program} program
 * @param {Variant} variant whose symbols count: caches that are not quantized are f16 or f32
 * @param {number} contextWindowSize tokens the caches hold
 * @param {number[]} shardNbytes the size of every shard
 * @returns {Memory}
 */
export function measureMemory(program, variant, contextWindowSize, shardNbytes) {
  const symbols = { ...variant.symbols, context_window_size: contextWindowSize };
  /** @type {Record<string, number>} */
  const kinds = {};
  let total_nbytes = 0;
  let tables = 0;
  for (const buffer of Object.values(program.buffers)) {
    const nbytes = allocatedNbytes(buffer, variant, symbols);
    kinds[buffer.kind] = (kinds[buffer.kind] ?? 0) + nbytes;
    total_nbytes += nbytes;
    if (buffer.init) tables += nbytes;
  }
  const { weights = 0, matrix = 0, cache: cache_nbytes = 0 } = kinds;
  const weights_nbytes = weights + matrix;
  const inFlight = [...shardNbytes].sort((a, b) => b - a).slice(0, PARALLEL_SHARDS);
  const loading_nbytes = Math.max(tables, COPIES * sum(inFlight));
  return {
    weights_nbytes,
    cache_nbytes,
    scratch_nbytes: total_nbytes - weights_nbytes - cache_nbytes,
    loading_nbytes,
    total_nbytes,
    peak_nbytes: total_nbytes + loading_nbytes,
  };
}

/**
 * The sizes of a model's shards.
 * @param {Manifest} manifest
 * @returns {number[]}
 */
export function shardSizes(manifest) {
  const { path } = manifest.weights;
  return Object.entries(manifest.files)
    .filter(([name]) => name.startsWith(path) && name.endsWith(".bin"))
    .map(([, { nbytes }]) => nbytes);
}

/** @param {number[]} values */
function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
