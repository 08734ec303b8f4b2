/**
 * Executes a program on a GPU device. webgemma/runtime/runner.py is its twin: same names, same order.
 *
 * It knows buffers, kernels and steps, and nothing about models. docs/program.md is the contract.
 * Where the twin waits, this one awaits: pipelines compile while the shards still arrive.
 */

/** @import { RunPhase } from "./phases.js" */
/** @import { BindingRange, Program, ProgramBuffer, Size, Step, Variant } from "./types.d.ts" */

import { DeviceLostError, GpuError, ProgramError, UnsupportedError } from "./errors.js";
import { evaluate, parse } from "./expr.js";
import { allocatedNbytes, boundNbytes, isTexture, measureMemory } from "./memory.js";
import { phasesOf } from "./phases.js";
import { Pipelines } from "./pipelines.js";
import { StagingPool } from "./staging.js";
import { createMatrix, padTo, writeMatrix } from "./tiles.js";

/** @typedef {Record<string, number>} Symbols */
/** @typedef {(file: string) => Promise<string>} ReadShader */
/**
 * @typedef {object} RunnerOptions
 * @property {Variant} variant what `chooseVariant` chose
 * @property {number} contextWindowSize tokens the caches hold
 * @property {(done: number, total: number) => void} [onCompiled] called after each kernel
 */
/**
 * A step, ready to be encoded.
 * @typedef {object} BoundStep
 * @property {GPUComputePipeline} pipeline
 * @property {GPUBindGroup} group
 * @property {((symbols: Symbols) => number)[]} dispatch
 */

const TABLE_ROWS_PER_WRITE = 1024;
const LOSS_NOTICE_MS = 200;
/** @type {RunPhase[]} what all tokens take, and longer prompts */
const REST = ["sample", "prefill", "decode"];
const SMALL_NBYTES = 2 ** 24; // of weights: a step of such a model is nothing beside compiling a kernel

/**
 * Buffer kind -> usage flags.
 * @returns {Record<ProgramBuffer["kind"], number>}
 */
function usages() {
  const { UNIFORM, STORAGE, COPY_DST, COPY_SRC } = GPUBufferUsage;
  return {
    state: UNIFORM | STORAGE | COPY_DST | COPY_SRC,
    shape: UNIFORM | COPY_DST,
    input: STORAGE | COPY_DST,
    weights: STORAGE | COPY_DST,
    matrix: STORAGE | COPY_DST,
    table: STORAGE | COPY_DST,
    cache: STORAGE,
    scratch: STORAGE,
    output: STORAGE | COPY_SRC,
  };
}

/** A program on a device: buffers, pipelines and bind groups, all made once. Owns the device. */
export class Runner {
  /**
   * Begin to create everything but the weights; `upload` brings those, once all is `allocated`, and
   * `ready` ends it.
   * @param {GPUDevice} device an open device with the variant's features
   * @param {Program} program
   * @param {ReadShader} readShader gives the text of a shader file
   * @param {RunnerOptions} options
   */
  constructor(device, program, readShader, { variant, contextWindowSize, onCompiled }) {
    this.device = device;
    this.program = program;
    this.variant = variant;
    this.contextWindowSize = contextWindowSize;
    /** @type {Symbols} */
    this.symbols = { ...variant.symbols, context_window_size: contextWindowSize };
    const memory = measureMemory(program, variant, contextWindowSize, []);
    this.phases = phasesOf(program);
    /** Whether a short prompt may go through `layers`, so that it need not wait for `prefill`. Where
     * the two do not compute the same, there is no phase `verify`. */
    this.isSmall =
      memory.weights_nbytes <= SMALL_NBYTES &&
      !program.image &&
      !!program.phases.verify &&
      !!this.phases.layers;
    /** @type {RunPhase[]} what a prompt takes; `sample` of a small model compiles while that runs */
    this.firstPhases = this.isSmall ? ["layers"] : ["encode_image", "prefill", "sample"];
    /** @type {Map<string, GPUBuffer>} */
    this.buffers = new Map();
    /** @type {Map<string, GPUTexture>} the matrices, where the variant keeps them so */
    this.textures = new Map();
    this.pipelines = new Pipelines(device, program, variant, readShader);
    /** @type {Map<string, Promise<void>>} phase -> when its steps are bound */
    this.prepared = new Map();
    /** @type {Map<string, BoundStep[]>} */
    this.steps = new Map();
    this.staging = new StagingPool(device);
    /** @type {GpuError | null} the first failure; nothing runs after it */
    this.error = null;
    this.lost = this.watch();
    this.compileFirst(onCompiled);
    this.allocated = this.allocate();
    this.allocated.catch(() => {}); // `ready` reports it
  }

  // -- construction ---------------------------------------------------------------------------

  /**
   * Listen for what the device reports by itself.
   * @returns {Promise<never>} rejects when the device is lost
   */
  watch() {
    this.device.addEventListener("uncapturederror", ({ error }) => {
      this.error ??= new GpuError(`the GPU refused a command: ${error.message}`);
    });
    const lost = this.device.lost.then(({ message, reason }) => {
      this.error ??= new DeviceLostError(
        `the GPU was lost (${message || reason}). Load the model again; if it happens again, use a ` +
          `shorter context or a smaller model.`,
      );
      throw this.error;
    });
    lost.catch(() => {}); // nobody may be waiting
    return lost;
  }

  /**
   * The value of an expression at this context size and variant.
   * @param {Size} size
   * @returns {number}
   */
  size(size) {
    return evaluate(size, this.symbols);
  }

  /** Allocate all buffers at once, which WebGPU zeroes, and fill what needs no weights. */
  async allocate() {
    const specs = Object.entries(this.program.buffers);
    await Promise.all(specs.map((spec) => this.createBuffer(...spec)));
    this.fillTables();
    this.writeState({ context_window_size: this.contextWindowSize, num_tokens: 1 });
    await this.finished(); // frees the copies of what was written
  }

  /**
   * Create one GPU buffer, or the texture of a matrix.
   * @param {string} name
   * @param {ProgramBuffer} spec
   */
  async createBuffer(name, spec) {
    const size = allocatedNbytes(spec, this.variant, this.symbols);
    this.device.pushErrorScope("validation");
    this.device.pushErrorScope("out-of-memory");
    if (isTexture(spec, this.variant)) {
      this.textures.set(name, createMatrix(this.device, name, size));
    } else {
      const usage = usages()[spec.kind];
      this.buffers.set(name, this.device.createBuffer({ label: name, size, usage }));
    }
    const scopes = [this.device.popErrorScope(), this.device.popErrorScope()];
    const [memory, invalid] = await Promise.all(scopes);
    if (invalid) throw new ProgramError(`buffer '${name}' of ${size} bytes: ${invalid.message}`);
    if (!memory) return;
    throw new GpuError(
      `buffer '${name}': the GPU has no memory for ${size} bytes. ` +
        `Close other tabs, or use a shorter context or a smaller model.`,
    );
  }

  /**
   * Begin to compile what a prompt takes.
   * @param {(done: number, total: number) => void} [onCompiled]
   */
  compileFirst(onCompiled) {
    const kernels = this.kernelsOf(this.firstPhases);
    let done = 0;
    for (const kernel of kernels) {
      this.pipelines.get(kernel).then(
        () => onCompiled?.(++done, kernels.length),
        () => {}, // `ready` reports it
      );
    }
  }

  /**
   * Wait for what a prompt takes, and for the texts of what others take. On a GPU, a large
   * model's other kernels compile while its shards still come; else they would only take time from
   * those: compiling is most of a small model's load, and adapters with textures are processors.
   */
  async ready() {
    await Promise.all([
      this.allocated,
      ...this.kernelsOf(REST).map((kernel) => this.pipelines.read(kernel)),
      ...this.firstPhases.map((phase) => this.prepare(phase)),
    ]);
    this.prepare("sample").catch(() => {}); // whoever generates reports it
    if (this.isSmall || this.textures.size) return;
    this.prepareRest().catch(() => {}); // a step reports it
  }

  /**
   * Wait for what other tokens take, too, at the latest when nobody waits for anything else
   * (worker.js). `logits` and `verify` compile when they are asked for.
   */
  async prepareRest() {
    await Promise.all(REST.map((phase) => this.prepare(phase)));
  }

  /**
   * @param {RunPhase[]} phases
   * @returns {string[]} the names of their kernels, each once
   */
  kernelsOf(phases) {
    const steps = phases.flatMap((phase) => this.phases[phase] ?? []);
    return [...new Set(steps.map((step) => step.kernel))];
  }

  /**
   * Wait until a phase can run.
   * @param {RunPhase} phase
   * @returns {Promise<void>}
   */
  prepare(phase) {
    const prepared = this.prepared.get(phase) ?? this.bindPhase(phase);
    this.prepared.set(phase, prepared);
    return prepared;
  }

  /**
   * Wait for the pipelines of a phase, and bind its steps.
   * @param {RunPhase} phase
   */
  async bindPhase(phase) {
    const steps = this.phases[phase] ?? [];
    const waited = Promise.all(steps.map((step) => this.pipelines.get(step.kernel)));
    const pipelines = await Promise.race([waited, this.lost]);
    this.device.pushErrorScope("validation");
    const bound = steps.map((step, i) => this.bindStep(step, pipelines[i]));
    const invalid = await this.device.popErrorScope();
    if (invalid)
      throw new ProgramError(`program.json does not fit its shaders: ${invalid.message}`);
    this.throwIfFailed();
    this.steps.set(phase, bound);
    if (phase === "layers") this.steps.set("append", bound.slice(0, this.phases.append?.length));
  }

  /**
   * A step's pipeline, bind group and parsed dispatch.
   * @param {Step} step
   * @param {GPUComputePipeline} pipeline
   * @returns {BoundStep}
   */
  bindStep(step, pipeline) {
    const entries = step.bindings.map((bound, binding) => ({
      binding,
      resource: this.resource(bound),
    }));
    const layout = pipeline.getBindGroupLayout(0);
    const group = this.device.createBindGroup({ label: step.label, layout, entries });
    return { pipeline, group, dispatch: step.dispatch.map(parse) };
  }

  /**
   * A range as WebGPU takes it: of a buffer, or a texture as a whole.
   * @param {BindingRange} bound
   * @returns {GPUBindingResource}
   */
  resource(bound) {
    const texture = this.textures.get(bound.buffer);
    if (texture) return texture.createView();
    const buffer = this.buffer(bound.buffer);
    const size = boundNbytes(bound, buffer.size, this.symbols);
    return { buffer, offset: bound.offset ?? 0, size };
  }

  /** Compute the buffers that have an `init`. */
  fillTables() {
    for (const [name, { init }] of Object.entries(this.program.buffers)) {
      if (!init) continue;
      if (init.op === "words") {
        const words = init.words.map((word) => this.size(word));
        this.write(name, 0, Uint32Array.from(words));
        continue;
      }
      const rowNbytes = 8 * init.factors.length;
      const numRows = Math.floor(this.buffer(name).size / rowNbytes);
      for (let start = 0; start < numRows; start += TABLE_ROWS_PER_WRITE) {
        const stop = Math.min(numRows, start + TABLE_ROWS_PER_WRITE);
        const rows = cosSin(init.factors, start, stop);
        this.write(name, start * rowNbytes, rows);
      }
    }
  }

  // -- data -----------------------------------------------------------------------------------

  /**
   * Write one record of the tensor cache to its place; zeros fill it up to a multiple of 4 bytes.
   * @param {string} record
   * @param {Uint8Array<ArrayBuffer>} data
   */
  upload(record, data) {
    const place = this.program.records[record];
    if (!place) throw new ProgramError(`record '${record}' is not in program.json.`);
    const texture = this.textures.get(place.buffer);
    if (texture) {
      writeMatrix(this.device, texture, place.offset, data, place.tiles);
      return;
    }
    this.write(place.buffer, place.offset, padTo(4, data));
  }

  /**
   * @param {string} name of a buffer
   * @param {number} offset
   * @param {GPUAllowSharedBufferSource} data
   */
  write(name, offset, data) {
    this.device.queue.writeBuffer(this.buffer(name), offset, data);
  }

  /**
   * Set words of the state buffer by name; `temperature` is an f32, the others are u32.
   * @param {Record<string, number>} words
   */
  writeState(words) {
    for (const [name, value] of Object.entries(words)) {
      const index = this.program.state[name];
      if (index === undefined) throw new ProgramError(`program.json: state has no word '${name}'.`);
      const word = name === "temperature" ? Float32Array.of(value) : Uint32Array.of(value);
      this.write("state", 4 * index, word);
    }
  }

  /**
   * Set the tokens of the next `prefill`.
   * @param {ArrayLike<number>} tokens at most prefill_chunk_size
   */
  writeTokens(tokens) {
    this.write("tokens", 0, Uint32Array.from(tokens));
  }

  /**
   * Set the image of the next `encode_image`.
   * @param {Float32Array<ArrayBuffer>} pixels [3, size, size], normalized
   */
  writeImage(pixels) {
    this.write("image", 0, pixels);
  }

  /**
   * Submit one phase: one command buffer, one compute pass.
   * @param {RunPhase} phase
   * @param {Symbols} symbols `num_tokens` and `position` of this call
   */
  run(phase, symbols) {
    this.throwIfFailed();
    const steps = this.steps.get(phase);
    if (!steps) throw new ProgramError(`phase '${phase}' was not prepared.`);
    const values = { ...this.symbols, ...symbols };
    const encoder = this.device.createCommandEncoder({ label: phase });
    const compute = encoder.beginComputePass({ label: phase });
    for (const { pipeline, group, dispatch } of steps) {
      const [x, y, z] = dispatch.map((size) => size(values));
      compute.setPipeline(pipeline);
      compute.setBindGroup(0, group);
      compute.dispatchWorkgroups(x, y, z);
    }
    compute.end();
    this.device.queue.submit([encoder.finish()]);
  }

  /**
   * Tokens that were generated, of the calls submitted so far.
   * @param {number} first the number of the first of them, counted from 0
   * @param {number} count of the last generated_ring_size
   * @returns {Promise<number[]>}
   */
  async readGenerated(first, count) {
    const size = this.program.generated_ring_size;
    const ring = new Uint32Array(await this.read("generated", 0, 4 * size));
    return Array.from({ length: count }, (_, i) => ring[(first + i) % size]);
  }

  /**
   * The logits that the last token was chosen by.
   * @returns {Promise<Float32Array>} [vocab_size]
   */
  async readNextLogits() {
    if (!this.buffers.has("next_logits")) {
      throw new UnsupportedError(
        "program.json: there is no buffer 'next_logits', so tokens can be chosen by " +
          "temperature and seed only. Build the site again for the other options.",
      );
    }
    return new Float32Array(await this.read("next_logits", 0, 4 * this.program.vocab_size));
  }

  /**
   * The rows that phase `logits` wrote.
   * @param {number} numRows
   * @returns {Promise<Float32Array>} [numRows, vocab_size]
   */
  async readLogits(numRows) {
    const nbytes = 4 * numRows * this.program.vocab_size;
    return new Float32Array(await this.read("logits", 0, nbytes));
  }

  /**
   * Copy a range of a buffer to the host, after what was submitted before.
   * @param {string} name
   * @param {number} offset
   * @param {number} nbytes
   * @returns {Promise<ArrayBuffer>}
   */
  async read(name, offset, nbytes) {
    this.throwIfFailed();
    try {
      const bytes = this.staging.read(this.buffer(name), offset, nbytes);
      const result = await Promise.race([bytes, this.lost]);
      this.throwIfFailed(); // what a failed device computed is worth nothing
      return result;
    } catch (cause) {
      const notice = new Promise((resolve) => setTimeout(resolve, LOSS_NOTICE_MS));
      await Promise.race([notice, this.lost]); // a read fails before the device says it is lost
      this.throwIfFailed();
      const { message } = /** @type {Error} */ (cause);
      throw new GpuError(`buffer '${name}' could not be read: ${message}`, { cause });
    }
  }

  /** Wait until the GPU has done all that was submitted. */
  async finished() {
    await Promise.race([this.device.queue.onSubmittedWorkDone(), this.lost]);
    this.throwIfFailed();
  }

  /**
   * @param {string} name
   * @returns {GPUBuffer}
   */
  buffer(name) {
    const buffer = this.buffers.get(name);
    if (!buffer) throw new ProgramError(`program.json: there is no buffer '${name}'.`);
    return buffer;
  }

  throwIfFailed() {
    if (this.error) throw this.error;
  }

  /** Free the GPU's memory, and the device. */
  destroy() {
    this.error ??= new GpuError("the model was unloaded. Load it again.");
    for (const buffer of this.buffers.values()) buffer.destroy();
    for (const texture of this.textures.values()) texture.destroy();
    this.staging.destroy();
    this.device.destroy();
  }
}

/**
 * Rows start..stop-1 of the table of `init: cos_sin`, computed in float64.
 * @param {number[]} factors
 * @param {number} start
 * @param {number} stop
 * @returns {Float32Array<ArrayBuffer>} [stop - start, factors, 2]
 */
export function cosSin(factors, start, stop) {
  const table = new Float32Array((stop - start) * factors.length * 2);
  let at = 0;
  for (let position = start; position < stop; position++) {
    for (const factor of factors) {
      table[at++] = Math.cos(position * factor);
      table[at++] = Math.sin(position * factor);
    }
  }
  return table;
}
