/** Everything that a report of a problem or of a speed should say, and nothing of conversations. */

/** @import { Model } from "./load.js" */
/** @import { DeviceReport, Diagnostics, ModelInfo } from "./types.d.ts" */

import { describeAdapter, requestAdapter } from "./device.js";
import { GpuError } from "./errors.js";
import { openStore } from "./store/store.js";

/**
 * What is known of the device, whether or not a model runs on it.
 * @param {ModelInfo["store"]} [store] where a loaded model's files are
 * @returns {Promise<DeviceReport>}
 */
export async function reportDevice(store) {
  const adapter = await requestAdapter().catch((error) => {
    if (error instanceof GpuError) return error;
    throw error;
  });
  const { usage = 0, quota = null } = (await navigator.storage?.estimate?.()) ?? {};
  const isMissing = adapter instanceof GpuError;
  return {
    browser: navigator.userAgent,
    adapter: isMissing ? null : { ...describeAdapter(adapter), ...abilities(adapter) },
    problem: isMissing ? adapter.message : null,
    storage: {
      ...(store ?? { kind: (await openStore()).kind, refusal: null }),
      used_nbytes: usage,
      quota_nbytes: quota,
      is_persistent: (await navigator.storage?.persisted?.()) ?? false,
    },
  };
}

/**
 * What a model runs on and how much it takes.
 * @param {Model} model
 * @returns {Promise<Omit<Diagnostics, "measured">>}
 */
export async function diagnose({ manifest, runner, info, tuner }) {
  const sizes = [...runner.buffers.values()].map((buffer) => buffer.size);
  for (const { width, height } of runner.textures.values()) sizes.push(width * height * 16);
  const { error } = runner;
  return {
    ...(await reportDevice(info.store)),
    tool: manifest.tool ?? "",
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
    device: { ...abilities(runner.device), error: error && `${error.name}: ${error.message}` },
    memory: {
      ...info.memory,
      in_use_nbytes: sizes.reduce((sum, size) => sum + size, 0),
      num_buffers: sizes.length,
    },
    self_test: info.self_test,
    tuning: tuner?.findings ?? {},
  };
}

/**
 * Features and limits as plain data; the limits' names are getters of a prototype.
 * @param {GPUAdapter | GPUDevice} owner
 * @returns {{features: string[], limits: Record<string, number>}}
 */
function abilities({ features, limits }) {
  /** @type {Record<string, number>} */
  const all = {};
  for (const name in limits) {
    const value = /** @type {any} */ (limits)[name];
    if (typeof value === "number") all[name] = value;
  }
  return { features: [...features].sort(), limits: all };
}
