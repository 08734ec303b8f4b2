/** Compiles the kernels of a program for one variant, all at the same time. */

/** @import { BindingType, Kernel, Program, Variant } from "./types.d.ts" */

import { GpuError, ProgramError } from "./errors.js";
import { evaluate } from "./expr.js";

/** What a shader must say first to use a feature; shader files hold no `enable` lines. */
const DIRECTIVES = new Map([
  ["shader-f16", "enable f16; "],
  ["subgroups", "enable subgroups; "],
]);

/**
 * Compile every kernel that a phase uses.
 * @param {GPUDevice} device
 * @param {Program} program
 * @param {Variant} variant
 * @param {(file: string) => Promise<string>} readShader
 * @param {(done: number, total: number) => void} [onCompiled]
 * @returns {Promise<Map<string, GPUComputePipeline>>} by the kernel's name
 */
export async function createPipelines(device, program, variant, readShader, onCompiled) {
  const used = new Set(
    Object.values(program.phases).flatMap((steps) => steps.map((s) => s.kernel)),
  );
  const layouts = new Map();
  let done = 0;
  const entries = Array.from(used, async (name) => {
    const kernel = program.kernels[name];
    if (!kernel) throw new ProgramError(`program.json: there is no kernel '${name}'.`);
    const signature = JSON.stringify(kernel.bindings.map((binding) => binding.type));
    if (!layouts.has(signature)) layouts.set(signature, createLayout(device, kernel, variant));
    const pipeline = await compile(
      device,
      name,
      kernel,
      variant,
      layouts.get(signature),
      readShader,
    );
    onCompiled?.(++done, used.size);
    return /** @type {const} */ ([name, pipeline]);
  });
  return new Map(await Promise.all(entries));
}

/**
 * The text that the browser compiles. Directives share the first line, so that line numbers in
 * messages are those of the file.
 * @param {string} text
 * @param {string[]} requires
 * @returns {string}
 */
export function withDirectives(text, requires) {
  return requires.map((feature) => DIRECTIVES.get(feature) ?? "").join("") + text;
}

/**
 * @param {BindingType} type
 * @param {Variant} variant
 * @returns {Partial<GPUBindGroupLayoutEntry>}
 */
function bindingLayout(type, variant) {
  if (type !== "matrix") return { buffer: { type } };
  if (variant.matrices === "tiles") return { texture: { sampleType: "uint" } };
  return { buffer: { type: "read-only-storage" } };
}

/**
 * @param {GPUDevice} device
 * @param {Kernel} kernel
 * @param {Variant} variant
 * @returns {GPUPipelineLayout}
 */
function createLayout(device, kernel, variant) {
  const visibility = GPUShaderStage.COMPUTE;
  const entries = kernel.bindings.map(({ type }, binding) => ({
    binding,
    visibility,
    ...bindingLayout(type, variant),
  }));
  return device.createPipelineLayout({
    bindGroupLayouts: [device.createBindGroupLayout({ entries })],
  });
}

/**
 * The override constants of a kernel in this variant.
 * @param {Kernel} kernel
 * @param {Variant} variant
 * @returns {Record<string, number>}
 */
function constantsOf(kernel, variant) {
  const entries = Object.entries(kernel.constants);
  return Object.fromEntries(entries.map(([name, size]) => [name, evaluate(size, variant.symbols)]));
}

/**
 * @param {GPUDevice} device
 * @param {string} name
 * @param {Kernel} kernel
 * @param {Variant} variant
 * @param {GPUPipelineLayout} layout
 * @param {(file: string) => Promise<string>} readShader
 * @returns {Promise<GPUComputePipeline>}
 */
async function compile(device, name, kernel, variant, layout, readShader) {
  const shader = kernel.shaders[variant.name];
  if (!shader) {
    throw new ProgramError(`kernel '${name}': got no shader for variant '${variant.name}'.`);
  }
  const code = withDirectives(await readShader(shader.file), shader.requires);
  device.pushErrorScope("validation"); // the message comes from getCompilationInfo below
  const module = device.createShaderModule({ label: name, code });
  device.popErrorScope();
  try {
    return await device.createComputePipelineAsync({
      label: name,
      layout,
      compute: { module, entryPoint: "main", constants: constantsOf(kernel, variant) },
    });
  } catch (cause) {
    const { messages } = await module.getCompilationInfo();
    const first = messages.find((message) => message.type === "error");
    const line = first && code.split("\n")[first.lineNum - 1]?.trim();
    const text = first ? `line ${first.lineNum}: ${first.message}: ${line}` : String(cause);
    throw new GpuError(`${shader.file}: this browser does not compile it: ${text}`, { cause });
  }
}
