/**
 * The steps behind a prefilled prompt: each gives a token. The twin of webgemma/runtime/steps.py.
 *
 * Where temperature and seed alone decide, the program chooses and several steps are under way
 * before the first is read back; for every other option, and for a text that is held to a grammar,
 * the host reads the logits and chooses.
 */

/** @import { Runner } from "./runner.js" */
/** @import { Choice, Sampling } from "./sampling.js" */
/** @import { Constraint } from "./structured/constraint.js" */

import { Sampler, readsLogits } from "./sampling.js";

const MAX_IN_FLIGHT = 4; // decode steps submitted before the first is read back
const SLOW_STEP_MS = 50; // from here on a read-back costs nothing, and Stop should not wait for 4

/** @typedef {{position: number, num_tokens: number}} Chunk */
/** @typedef {{limit: number, next(): Promise<Choice>}} Steps */

/**
 * Set up the steps of a text.
 * @param {Runner} runner it has just run the prompt's last chunk
 * @param {Chunk} chunk that chunk
 * @param {number[]} prompt
 * @param {Sampling} sampling
 * @param {number} limit at most so many steps
 * @param {Constraint | null} constraint says which tokens may come; null: all
 * @returns {Steps}
 */
export function makeSteps(runner, chunk, prompt, sampling, limit, constraint) {
  if (!constraint && !readsLogits(sampling)) {
    const { temperature, seed } = sampling;
    runner.writeState({ temperature, seed, num_generated: 0 });
    return new ProgramSteps(runner, chunk, limit);
  }
  const sampler = new Sampler(sampling, prompt, runner.program.vocab_size, constraint);
  runner.writeState({ temperature: 0, num_generated: 0 });
  return new HostSteps(runner, chunk, limit, sampler);
}

/** The program chooses: steps are submitted ahead, read back in order. */
class ProgramSteps {
  /**
   * @param {Runner} runner
   * @param {Chunk} chunk the last prefill
   * @param {number} limit at most so many steps
   */
  constructor(runner, chunk, limit) {
    this.runner = runner;
    this.chunk = chunk;
    this.position = chunk.position + chunk.num_tokens; // of the next decode step
    this.limit = limit;
    this.submitted = 0;
    /** @type {Promise<number>[]} */
    this.reads = [];
    this.inFlight = 1;
    this.lastTime = 0;
  }

  /**
   * Submit what may be in flight, and wait for the oldest token.
   * @returns {Promise<Choice>}
   */
  async next() {
    if (this.submitted) await this.runner.prepare("decode");
    while (this.reads.length < this.inFlight && this.submitted < this.limit) this.submit();
    const token_id = await /** @type {Promise<number>} */ (this.reads.shift());
    const now = performance.now();
    this.inFlight = this.lastTime && now - this.lastTime < SLOW_STEP_MS ? MAX_IN_FLIGHT : 2;
    this.lastTime = now;
    return { token_id };
  }

  submit() {
    // `sample` takes the last row of the prefill, `decode` goes on from the token before.
    if (this.submitted === 0) this.runner.run("sample", this.chunk);
    else this.runner.run("decode", { num_tokens: 1, position: this.position++ });
    const read = this.runner.readGenerated(this.submitted++);
    read.catch(() => {}); // whoever waits for it gets the error
    this.reads.push(read);
  }
}

/** The host chooses, by the logits of every step. */
class HostSteps {
  /**
   * @param {Runner} runner
   * @param {Chunk} chunk the last prefill
   * @param {number} limit at most so many steps
   * @param {Sampler} sampler
   */
  constructor(runner, chunk, limit, sampler) {
    this.runner = runner;
    this.chunk = chunk;
    this.position = chunk.position + chunk.num_tokens; // of the next decode step
    this.limit = limit;
    this.sampler = sampler;
    /** @type {Choice | null} */
    this.choice = null;
  }

  /**
   * Run the token before, and choose the next.
   * @returns {Promise<Choice>}
   */
  async next() {
    if (!this.choice) {
      this.runner.run("sample", this.chunk);
    } else {
      await this.runner.prepare("decode");
      this.runner.writeState({ token_id: this.choice.token_id });
      this.runner.run("decode", { num_tokens: 1, position: this.position++ });
    }
    const mask = this.sampler.constraint?.mask() ?? null; // while the GPU works
    const logits = await this.runner.readNextLogits();
    this.choice = this.sampler.choose(logits, await mask);
    return this.choice;
  }
}
