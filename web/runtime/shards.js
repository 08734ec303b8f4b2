/**
 * Streams the shards of the tensor cache to where the program wants their records.
 *
 * At most PARALLEL_SHARDS shards are in JavaScript memory at once, whatever the size of the model.
 */

/** @import { Manifest, Program, TensorCache, TensorRecord } from "./types.d.ts" */
/** @import { FetchOptions } from "./files.js" */
/** @import { Runner } from "./runner.js" */

import { FormatError } from "./errors.js";
import { fetchFile } from "./files.js";
import { WorkerLink } from "./link.js";

const SMALL_NBYTES = 2 ** 24; // hashed before a second worker would have started
export const PARALLEL_SHARDS = 3; // browsers open 6 connections per host; more shards only cost memory

/** @typedef {{path: string, records: TensorRecord[]}} PlannedShard */

/**
 * Check the tensor cache against the manifest and the program: every record of the program must be
 * in a shard, every record of a shard in the program, all within the shards' sizes.
 * @param {TensorCache} cache
 * @param {Manifest} manifest
 * @param {Program} program
 * @returns {PlannedShard[]}
 */
export function planShards(cache, manifest, program) {
  const missing = new Set(Object.keys(program.records));
  const shards = cache.records.map((shard) => {
    const path = manifest.weights.path + shard.dataPath;
    const size = manifest.files[path]?.nbytes;
    if (size !== shard.nbytes) {
      throw new FormatError(
        `ndarray-cache.json: '${shard.dataPath}': got ${shard.nbytes} bytes, ` +
          `expected ${size} as in webgemma.json. Build the site again.`,
      );
    }
    for (const record of shard.records) checkRecord(record, shard.nbytes, missing);
    return { path, records: shard.records };
  });
  if (missing.size) {
    throw new FormatError(
      `ndarray-cache.json: got no record '${[...missing][0]}' (${missing.size} are missing). ` +
        `Build the site again.`,
    );
  }
  return shards;
}

/**
 * @param {TensorRecord} record
 * @param {number} shardNbytes
 * @param {Set<string>} missing the program's records that no shard had yet
 */
function checkRecord({ name, byteOffset, nbytes }, shardNbytes, missing) {
  if (!missing.delete(name)) {
    throw new FormatError(
      `ndarray-cache.json: record '${name}' is there twice, or not in program.json. ` +
        `Build the site again.`,
    );
  }
  if (byteOffset >= 0 && nbytes >= 0 && byteOffset + nbytes <= shardNbytes) return;
  throw new FormatError(
    `ndarray-cache.json: record '${name}': got bytes ${byteOffset} to ${byteOffset + nbytes}, ` +
      `expected at most ${shardNbytes}. Build the site again.`,
  );
}

/**
 * Fetch all shards, verify each, and upload its records; the next one waits until the GPU has them.
 * After a failure `options.signal` is to end what is still under way.
 * @param {URL} base
 * @param {PlannedShard[]} shards
 * @param {Manifest} manifest
 * @param {Pick<Runner, "allocated" | "upload" | "finished">} runner
 * @param {FetchOptions} options
 */
export async function streamShards(base, shards, manifest, runner, options) {
  const queue = shards.values();
  let hasher = /** @type {WorkerLink | undefined} */ (undefined); // from the first stored shard on
  const isSmall = manifest.weights.nbytes <= SMALL_NBYTES;
  const work = async () => {
    const memory = {
      get hasher() {
        return isSmall ? undefined : (hasher ??= new WorkerLink());
      },
    };
    const reading = { ...options, memory };
    for (const { path, records } of queue) {
      const bytes = await fetchFile(base, path, manifest, reading);
      await runner.allocated;
      for (const { name, byteOffset, nbytes } of records) {
        runner.upload(name, bytes.subarray(byteOffset, byteOffset + nbytes));
      }
      await runner.finished();
    }
  };
  try {
    await Promise.all(Array.from({ length: PARALLEL_SHARDS }, work));
  } finally {
    hasher?.close();
  }
}
