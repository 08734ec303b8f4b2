/** Measures how far a model is loaded: bytes, their rate over the last seconds, kernels. */

/** @import { Progress } from "./types.d.ts" */

const WINDOW_MS = 4000;
const REPORT_EVERY_MS = 100;

/** Counts bytes and reports at most ten times a second. */
export class ProgressMeter {
  /**
   * @param {(progress: Progress) => void} report
   * @param {() => number} [now] a clock in milliseconds
   */
  constructor(report, now = () => performance.now()) {
    this.report = report;
    this.now = now;
    this.started = now();
    this.lastReport = -Infinity;
    this.loaded = 0;
    this.stored = 0;
    this.total = 0;
    this.compiled = 0;
    this.numKernels = 0;
    /** @type {Progress["stage"]} */
    this.stage = "manifest";
    /** @type {{time: number, loaded: number}[]} */
    this.samples = [{ time: this.started, loaded: 0 }];
  }

  /**
   * Begin a stage, and say so.
   * @param {Progress["stage"]} stage
   * @param {number} [total] bytes to come
   */
  begin(stage, total = this.total) {
    this.stage = stage;
    this.total = total;
    this.send(this.now());
  }

  /** @param {number} nbytes that arrived; negative when they are thrown away */
  add(nbytes) {
    this.loaded += nbytes;
    const time = this.now();
    if (time - this.lastReport >= REPORT_EVERY_MS) this.send(time);
  }

  /** @param {number} nbytes that were on this device already */
  addStored(nbytes) {
    this.stored += nbytes;
    this.add(nbytes);
  }

  /**
   * Note that kernels were compiled, which happens while bytes arrive and after it.
   * @param {number} done
   * @param {number} total
   */
  compile(done, total) {
    [this.compiled, this.numKernels] = [done, total];
    this.send(this.now());
  }

  /** @param {number} time */
  send(time) {
    this.lastReport = time;
    this.samples.push({ time, loaded: this.loaded });
    while (this.samples.length > 2 && time - this.samples[1].time > WINDOW_MS) this.samples.shift();
    const oldest = this.samples[0];
    const seconds = (time - oldest.time) / 1000;
    this.report({
      stage: this.stage,
      loaded_nbytes: this.loaded,
      stored_nbytes: this.stored,
      total_nbytes: this.total,
      rate: seconds > 0 ? Math.max(0, (this.loaded - oldest.loaded) / seconds) : 0,
      compiled_kernels: this.compiled,
      num_kernels: this.numKernels,
      duration_ms: time - this.started,
    });
  }
}
