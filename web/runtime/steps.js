/**
 * The steps behind a prefilled prompt: each gives a token. The twin of webgemma/runtime/steps.py.
 *
 * Where temperature and seed alone decide, the program chooses and several steps are under way
 * before the first is read back; or it says of a draft's tokens, several in one step, which it would
 * have chosen (draft.js). For every other option, and for a text that is held to a grammar, the host
 * reads the logits and chooses.
 */

/** @import { Drafter } from "./draft.js" */
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
 * @param {Drafter | null} drafter drafts tokens where the program chooses; null: nobody
 * @returns {Steps}
 */
export function makeSteps(runner, chunk, prompt, sampling, limit, constraint, drafter) {
  if (!constraint && !readsLogits(sampling)) {
    const { temperature, seed } = sampling;
    runner.writeState({ temperature, seed, num_generated: 0 });
    return new ProgramSteps(runner, chunk, limit, drafter);
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
   * @param {Drafter | null} drafter
   */
  constructor(runner, chunk, limit, drafter) {
    this.runner = runner;
    this.chunk = chunk;
    this.position = chunk.position + chunk.num_tokens; // of the next decode step
    this.limit = limit;
    this.drafter = drafter;
    this.submitted = 0;
    /** @type {Promise<number[]>[]} */
    this.reads = [];
    /** @type {number[]} what was read and not given out yet */
    this.produced = [];
    this.last = -1; // the last token that was read
    this.inFlight = 1;
    this.lastTime = 0;
  }

  /**
   * The next token.
   * @returns {Promise<Choice>}
   */
  async next() {
    if (!this.produced.length) {
      const draft = this.draft();
      // What is under way is read before a draft is verified.
      const isPlain = !draft.length || this.reads.length > 0;
      this.produced = isPlain ? await this.read(!draft.length) : await this.verify(draft);
      for (const token of this.produced) this.drafter?.push(token);
      this.last = this.produced[this.produced.length - 1];
    }
    return { token_id: /** @type {number} */ (this.produced.shift()) };
  }

  /**
   * What may come behind the last token; nothing until the kernels that verify it are compiled.
   * @returns {number[]}
   */
  draft() {
    if (this.submitted === 0) return []; // the first token is the prompt's
    const draft = this.drafter?.draft(this.limit - this.submitted) ?? [];
    if (!draft.length || this.runner.steps.has("verify")) return draft;
    const prepared = this.runner.prepareRest().then(() => this.runner.prepare("verify"));
    prepared.catch(() => {}); // plain steps do without
    return [];
  }

  /**
   * Wait for the oldest token that is under way.
   * @param {boolean} submits whether to submit first what may be in flight
   * @returns {Promise<number[]>}
   */
  async read(submits) {
    if (this.submitted && !this.runner.steps.has("decode")) {
      await this.runner.prepare("decode");
      this.lastTime = 0; // the time it took is no step's
    }
    while (submits && this.reads.length < this.inFlight && this.submitted < this.limit) {
      this.submit();
    }
    const tokens = await /** @type {Promise<number[]>} */ (this.reads.shift());
    const now = performance.now();
    if (this.lastTime) this.drafter?.decoded(1, now - this.lastTime);
    this.inFlight = this.lastTime && now - this.lastTime < SLOW_STEP_MS ? MAX_IN_FLIGHT : 2;
    this.lastTime = now;
    return tokens;
  }

  submit() {
    // `sample` takes the last row of the prefill, `decode` goes on from the token before.
    if (this.submitted === 0) this.runner.run("sample", this.chunk);
    else this.runner.run("decode", { num_tokens: 1, position: this.position++ });
    const read = this.runner.readGenerated(this.submitted++, 1);
    read.catch(() => {}); // whoever waits for it gets the error
    this.reads.push(read);
  }

  /**
   * Run a step with a row for the last token and each of its draft. Row i says what comes behind
   * its token; that counts as far as the draft said the same. What the caches got of the rest is
   * overwritten by the steps that follow.
   * @param {number[]} draft
   * @returns {Promise<number[]>} the tokens of the step
   */
  async verify(draft) {
    const { runner } = this;
    const started = performance.now();
    const rows = { position: this.position, num_tokens: draft.length + 1 };
    runner.writeTokens([this.last, ...draft]);
    runner.writeState(rows);
    runner.run("prefill", rows);
    runner.run("verify", rows);
    const chosen = await runner.readGenerated(this.submitted, rows.num_tokens);
    const produced = chosen.slice(0, commonPrefix(draft, chosen) + 1);
    this.position += produced.length;
    this.submitted += produced.length;
    const token_id = produced[produced.length - 1];
    runner.writeState({ token_id, position: this.position, num_tokens: 1 });
    runner.writeState({ num_generated: this.submitted });
    this.lastTime = performance.now();
    this.drafter?.verified(draft.length, produced.length - 1, this.lastTime - started);
    return produced;
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

/**
 * How many tokens two lists share from the start.
 * @param {number[]} a
 * @param {number[]} b
 * @returns {number}
 */
export function commonPrefix(a, b) {
  let n = 0;
  while (n < a.length && n < b.length && a[n] === b[n]) n++;
  return n;
}
