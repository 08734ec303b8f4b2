/** Everything that a report of a problem or of a speed should say, and nothing of conversations. */

/** @import { Model } from "./load.js" */
/** @import { Diagnostics } from "./types.d.ts" */

import { requestAdapter } from "./device.js";

/**
 * What the model runs on and how much it takes.
 * @param {Model} model
 * @returns {Promise<Omit<Diagnostics, "measured">>}
 */
export async function diagnose({ manifest, runner, info }) {
  const adapter = await requestAdapter();
  const { usage = 0, quota = null } = (await navigator.storage?.estimate?.()) ?? {};
  const buffers = [...runner.buffers.values()];
  return {
    tool: manifest.tool ?? "",
    browser: navigator.userAgent,
    model: {
      id: manifest.id,
      name: manifest.name,
      architecture: manifest.architecture,
      num_parameters: manifest.num_parameters,
      storage: Object.keys(manifest.storage),
      version: manifest.version,
      program_version: runner.program.version,
      num_shards: manifest.weights.num_shards,
    },
    variant: info.variant,
    context_window_size: info.context_window_size,
    adapter: {
      ...info.adapter,
      features: [...adapter.features].sort(),
      limits: limitsOf(adapter.limits),
    },
    device: {
      features: [...runner.device.features].sort(),
      limits: limitsOf(runner.device.limits),
      error: runner.error && `${runner.error.name}: ${runner.error.message}`,
    },
    memory: {
      ...info.memory,
      in_use_nbytes: buffers.reduce((sum, { size }) => sum + size, 0),
      num_buffers: buffers.length,
    },
    self_test: info.self_test,
    storage: {
      ...info.store,
      used_nbytes: usage,
      quota_nbytes: quota,
      is_persistent: (await navigator.storage?.persisted?.()) ?? false,
    },
  };
}

/**
 * Limits as plain data; their names are getters of a prototype.
 * @param {GPUSupportedLimits} limits
 * @returns {Record<string, number>}
 */
function limitsOf(limits) {
  /** @type {Record<string, number>} */
  const all = {};
  for (const name in limits) {
    const value = /** @type {any} */ (limits)[name];
    if (typeof value === "number") all[name] = value;
  }
  return all;
}
