/** Compiles the kernels of a program for one variant, as many at a time as are asked for. */

/** @import { BindingType, Kernel, KernelShader, Program, Variant } from "./types.d.ts" */

import { GpuError, ProgramError } from "./errors.js";
import { evaluate } from "./expr.js";

/** What a shader must say first to use a feature; shader files hold no `enable` lines. */
const DIRECTIVES = new Map([
  ["shader-f16", "enable f16; "],
  ["subgroups", "enable subgroups; "],
]);

/** The pipelines of a program, each compiled once, when it is first asked for. */
export class Pipelines {
  /**
   * @param {GPUDevice} device
   * @param {Program} program
   * @param {Variant} variant
   * @param {(file: string) => Promise<string>} readShader
   */
  constructor(device, program, variant, readShader) {
    this.device = device;
    this.program = program;
    this.variant = variant;
    this.readShader = readShader;
    /** @type {Map<string, Promise<GPUComputePipeline>>} by file and constants: kernels that differ in
     * data alone share one */
    this.compiled = new Map();
  }

  /**
   * @param {string} name a kernel's
   * @param {Record<string, number>} [choice] other values of the variant's symbols
   * @returns {Promise<GPUComputePipeline>}
   */
  async get(name, choice) {
    const { kernel, shader, text } = await this.read(name);
    const constants = constantsOf(kernel, text, { ...this.variant.symbols, ...choice });
    const key = JSON.stringify([shader.file, constants]);
    const pipeline = this.compiled.get(key) ?? this.compile(kernel, shader, text, constants);
    this.compiled.set(key, pipeline);
    return pipeline;
  }

  /**
   * @param {Kernel} kernel
   * @param {KernelShader} shader
   * @param {string} text
   * @param {Record<string, number>} constants
   * @returns {Promise<GPUComputePipeline>}
   */
  async compile(kernel, shader, text, constants) {
    const { device } = this;
    const layout = createLayout(device, kernel, this.variant);
    const code = withDirectives(text, shader.requires);
    device.pushErrorScope("validation"); // the message comes from getCompilationInfo below
    const module = device.createShaderModule({ label: shader.file, code });
    device.popErrorScope();
    try {
      const compute = { module, entryPoint: "main", constants };
      return await device.createComputePipelineAsync({ label: shader.file, layout, compute });
    } catch (cause) {
      const { messages } = await module.getCompilationInfo();
      const first = messages.find((message) => message.type === "error");
      const line = first && code.split("\n")[first.lineNum - 1]?.trim();
      const what = first ? `line ${first.lineNum}: ${first.message}: ${line}` : String(cause);
      throw new GpuError(`${shader.file}: this browser does not compile it: ${what}`, { cause });
    }
  }

  /**
   * A kernel and the text of its shader.
   * @param {string} name
   */
  async read(name) {
    const kernel = this.program.kernels[name];
    const shader = kernel?.shaders[this.variant.name];
    if (shader) return { kernel, shader, text: await this.readShader(shader.file) };
    throw new ProgramError(`kernel '${name}': no shader for '${this.variant.name}'.`);
  }
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
 * @param {Pick<Variant, "matrices">} variant
 * @returns {Partial<GPUBindGroupLayoutEntry>}
 */
export function bindingLayout(type, { matrices }) {
  if (type !== "matrix") return { buffer: { type } };
  if (matrices === "tiles") return { texture: { sampleType: "uint" } };
  if (matrices === "storage-tiles") {
    return { storageTexture: { access: "read-only", format: "rgba32uint" } };
  }
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
 * The override constants that a text of a kernel declares, with a variant's symbols.
 * @param {Kernel} kernel
 * @param {string} text
 * @param {Record<string, number>} symbols
 * @returns {Record<string, number>}
 */
function constantsOf(kernel, text, symbols) {
  /** @type {Record<string, number>} */
  const constants = {};
  for (const [name, size] of Object.entries(kernel.constants)) {
    if (text.includes(`override ${name}:`)) constants[name] = evaluate(size, symbols);
  }
  return constants;
}
