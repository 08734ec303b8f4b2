/**
 * Times dispatches on a device, looped until the clock can see them. The twin of
 * webgemma/runtime/timing.py, with the GPU's own clock where the device has one.
 */

/** @import { Phase } from "./types.d.ts" */
/** @import { BoundStep, Runner, Symbols } from "./runner.js" */

/** Of one measured submission: browsers round timestamps to a tenth of a millisecond. */
const LEAST_MS = 30;
const MOST_LOOPS = 256;
const STAMPS_NBYTES = 16; // two 64-bit counts of nanoseconds

/** @typedef {(pass: GPUComputePassEncoder) => void} RecordPass records dispatches */

/** A clock of submissions. Owns GPU memory: call `destroy()`. */
export class Timer {
  /** @param {Runner} runner */
  constructor(runner) {
    this.runner = runner;
    const { device } = runner;
    const has = device.features.has("timestamp-query");
    this.stamps = has ? device.createQuerySet({ type: "timestamp", count: 2 }) : null;
    const usage = GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC;
    this.resolved = device.createBuffer({ label: "stamps", size: STAMPS_NBYTES, usage });
    /** @type {"timestamp-query" | "wall"} */
    this.clock = has ? "timestamp-query" : "wall";
  }

  /**
   * Median milliseconds of what `record` records, looped within one submission.
   * @param {RecordPass} record called once for every loop
   * @param {number} repeat measured submissions; one more warms up
   * @param {number} mostMs no further one is begun when so much time has gone
   * @returns {Promise<number>}
   */
  async medianMs(record, repeat, mostMs) {
    const started = performance.now();
    let loops = 1;
    let elapsed = await this.submit(record, loops);
    while (elapsed < LEAST_MS && loops < MOST_LOOPS) {
      const wanted = Math.round((loops * LEAST_MS) / Math.max(elapsed, 1e-3));
      loops = Math.min(MOST_LOOPS, Math.max(2 * loops, wanted));
      elapsed = await this.submit(record, loops);
    }
    const times = [];
    while (times.length < repeat && performance.now() - started < mostMs) {
      times.push(await this.submit(record, loops));
    }
    return median(times.length ? times : [elapsed]) / loops;
  }

  /**
   * Milliseconds of one submission of `loops` rounds.
   * @param {RecordPass} record
   * @param {number} loops
   * @returns {Promise<number>}
   */
  async submit(record, loops) {
    const { runner, stamps } = this;
    const encoder = runner.device.createCommandEncoder({ label: "timing" });
    const timestampWrites = stamps && {
      querySet: stamps,
      beginningOfPassWriteIndex: 0,
      endOfPassWriteIndex: 1,
    };
    const pass = encoder.beginComputePass({ ...(timestampWrites && { timestampWrites }) });
    for (let i = 0; i < loops; i++) record(pass);
    pass.end();
    if (stamps) encoder.resolveQuerySet(stamps, 0, 2, this.resolved, 0);
    const commands = encoder.finish();
    const started = performance.now();
    runner.device.queue.submit([commands]);
    await runner.finished();
    const elapsed = performance.now() - started;
    return (stamps && (await this.readStamps())) || elapsed; // some drivers leave stamps at zero
  }

  /**
   * Milliseconds between the two stamps; 0 where they make no sense.
   * @returns {Promise<number>}
   */
  async readStamps() {
    const { staging, lost } = this.runner;
    const bytes = await Promise.race([staging.read(this.resolved, 0, STAMPS_NBYTES), lost]);
    const [begin, end] = new BigUint64Array(bytes);
    return end > begin ? Number(end - begin) / 1e6 : 0;
  }

  /** Free what was allocated. */
  destroy() {
    this.stamps?.destroy();
    this.resolved.destroy();
  }
}

/**
 * Records some steps of a phase, one after the other: those of one kernel in all its layers. What
 * they compute is nonsense, the steps between them being left out; how long it takes is not.
 * @param {Runner} runner
 * @param {Phase} phase
 * @param {number[]} numbers of the steps
 * @param {Symbols} symbols
 * @returns {RecordPass}
 */
export function recordSteps(runner, phase, numbers, symbols) {
  const bound = runner.steps.get(phase) ?? [];
  const steps = numbers.map((number) => bound[number]);
  return recordBound(steps, { ...runner.symbols, ...symbols });
}

/**
 * Records steps with the dispatches that these symbols give.
 * @param {BoundStep[]} bound
 * @param {Symbols} symbols
 * @returns {RecordPass}
 */
export function recordBound(bound, symbols) {
  const steps = bound.map(({ pipeline, group, dispatch }) => {
    return { pipeline, group, sizes: dispatch.map((size) => size(symbols)) };
  });
  return (pass) => {
    for (const { pipeline, group, sizes } of steps) {
      const [x, y, z] = sizes;
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(x, y, z);
    }
  };
}

/**
 * @param {number[]} values at least one
 * @returns {number}
 */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
