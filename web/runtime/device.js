/** Finds an adapter, works out which limits a program needs of it, and opens a device. */

/** @import { BindingRange, Manifest, Program, Variant } from "./types.d.ts" */

import { ConfigError, GpuError } from "./errors.js";
import { evaluate } from "./expr.js";
import { boundNbytes } from "./memory.js";

/** WebGPU's default limits: what every device has. Source: https://www.w3.org/TR/webgpu/#limits */
const DEFAULT_LIMITS = {
  maxBufferSize: 256 * 2 ** 20,
  maxStorageBufferBindingSize: 128 * 2 ** 20,
  maxStorageBuffersPerShaderStage: 8,
  maxUniformBufferBindingSize: 64 * 2 ** 10,
  maxComputeWorkgroupStorageSize: 16 * 2 ** 10,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupSizeY: 256,
  maxComputeWorkgroupSizeZ: 64,
  maxComputeWorkgroupsPerDimension: 65535,
};

/**
 * The GPU of this machine.
 * @returns {Promise<GPUAdapter>}
 */
export async function requestAdapter() {
  if (!navigator.gpu) {
    throw new GpuError(
      "this browser has no WebGPU (navigator.gpu). Use Chrome or Edge 113, Safari 26, or " +
        "Firefox 141 or newer, on https or localhost.",
    );
  }
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter) return adapter;
  throw new GpuError(
    "this browser has WebGPU, but no GPU that it may use. Switch on hardware acceleration in its " +
      "settings, update the graphics driver, or look at chrome://gpu.",
  );
}

/**
 * The context a session will have: what was asked for, or the model's default.
 * @param {Manifest} manifest
 * @param {Program} program
 * @param {number} [asked]
 * @returns {number}
 */
export function chooseContext(manifest, program, asked) {
  const max = Math.min(manifest.context.max, program.max_context_window_size);
  if (asked === undefined) return Math.min(manifest.context.default, max);
  if (Number.isInteger(asked) && asked >= 1 && asked <= max) return asked;
  throw new ConfigError(
    `context: got ${asked} tokens, expected 1 to ${max} (the model's maximum).`,
  );
}

/**
 * The limits that the program needs with these symbols: those of webgemma.json, and those that
 * grow with the context.
 * @param {Manifest} manifest
 * @param {Program} program
 * @param {Record<string, number>} symbols
 * @returns {Record<string, number>}
 */
export function neededLimits(manifest, program, symbols) {
  const needed = { maxBufferSize: 0, maxStorageBufferBindingSize: 0, ...manifest.limits };
  /** @param {BindingRange} range */
  const bound = (range) =>
    boundNbytes(range, evaluate(program.buffers[range.buffer].nbytes, symbols), symbols);
  for (const buffer of Object.values(program.buffers)) {
    needed.maxBufferSize = Math.max(needed.maxBufferSize, evaluate(buffer.nbytes, symbols));
  }
  const nbytes = Object.values(program.phases).flatMap((steps) =>
    steps.flatMap((step) => step.bindings.map(bound)),
  );
  for (const n of nbytes) {
    needed.maxStorageBufferBindingSize = Math.max(needed.maxStorageBufferBindingSize, n);
  }
  return needed;
}

/**
 * What to ask the adapter for: only limits beyond the defaults.
 * @param {Record<string, number>} needed
 * @param {Record<string, number>} have the adapter's limits
 * @returns {Record<string, number>}
 */
export function requiredLimits(needed, have) {
  /** @type {Record<string, number>} */
  const required = {};
  for (const [name, need] of Object.entries(needed)) {
    const standard = /** @type {Record<string, number>} */ (DEFAULT_LIMITS)[name] ?? 0;
    if (need <= standard) continue;
    if (!(need <= have[name])) {
      throw new GpuError(
        `${name}: this GPU has ${have[name]}, the model needs ${need}. ` +
          `Use a shorter context or a smaller model.`,
      );
    }
    required[name] = need;
  }
  return required;
}

/** What measures kernels, where the adapter has it (timing.js). */
const CLOCK = "timestamp-query";

/**
 * Open a device with the variant's features, a clock, and no more limits than needed.
 * @param {GPUAdapter} adapter
 * @param {Variant} variant
 * @param {Record<string, number>} needed
 * @returns {Promise<GPUDevice>}
 */
export async function requestDevice(adapter, variant, needed) {
  const have = /** @type {Record<string, number>} */ (/** @type {unknown} */ (adapter.limits));
  const features = [...variant.requires, ...(adapter.features.has(CLOCK) ? [CLOCK] : [])];
  const descriptor = {
    requiredFeatures: /** @type {GPUFeatureName[]} */ (features),
    requiredLimits: requiredLimits(needed, have),
  };
  try {
    return await adapter.requestDevice(descriptor);
  } catch (cause) {
    throw new GpuError(
      `the GPU could not be opened (${/** @type {Error} */ (cause).message}). ` +
        `Close other tabs that use it and reload.`,
      { cause },
    );
  }
}

/**
 * What the adapter says about itself, as plain data.
 * @param {GPUAdapter} adapter
 */
export function describeAdapter(adapter) {
  const info = /** @type {GPUAdapterInfo & {isFallbackAdapter?: boolean}} */ (adapter.info);
  const { vendor, architecture, description } = info;
  const isSwiftShader = architecture === "swiftshader";
  return {
    vendor,
    architecture,
    description,
    is_fallback: Boolean(info.isFallbackAdapter) || isSwiftShader || isLavapipe(info),
  };
}

/** @param {{architecture: string, description: string}} info */
const isLavapipe = (info) => /lavapipe|llvmpipe/i.test(info.architecture + info.description);

/**
 * What an adapter is, as variants name it: "software" if it computes on the processor, "lavapipe" if
 * it is Mesa's with vectors of 256 bits: that variant counts on subgroups of eight.
 * @param {GPUAdapter} adapter
 * @returns {string[]}
 */
export function adapterKinds(adapter) {
  const info = describeAdapter(adapter);
  const hasEightLanes = isLavapipe(info) && info.description.includes("256 bits");
  if (hasEightLanes) return ["any", "software", "lavapipe"];
  return info.is_fallback ? ["any", "software"] : ["any"];
}
