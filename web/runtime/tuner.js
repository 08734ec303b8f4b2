/**
 * Tries a variant's choices while nobody waits, a few at each visit. The twin of
 * webgemma/runtime/tuner.py, which takes the time for all of them.
 *
 * A choice meets the one that is taken so far, in turn. What it wins counts from the next load on:
 * nothing that runs is compiled anew, and where there is a self-test, it comes first.
 */

/** @import { Choice, Findings, Timed } from "./types.d.ts" */
/** @import { BoundStep, Runner } from "./runner.js" */

import { Timer, recordBound } from "./timing.js";
import { choiceName } from "./tuning.js";

const BUDGET_MS = 300; // of a visit, compilation and all
const ROUND_MS = 5; // of a measured submission: far above a clock's resolution
const ROUNDS = 6; // the first of them warms up
const LEAST_ROUNDS = 3; // what a verdict takes
const MOST_LOOPS = 64;
const FASTER = 0.95; // of the time of what is taken: less may be chance

/** A group's steps as a choice has them. @typedef {{steps: BoundStep[], choice: Choice}} Contender */
/** When to give up: a time of `performance.now()`, and somebody who calls. */
/** @typedef {{deadline: number, signal: AbortSignal}} Until */

/** A search, and what it found so far. */
export class Tuner {
  /**
   * @param {Runner} runner
   * @param {Findings} findings of this program, adapter and variant
   * @param {(findings: Findings) => Promise<void>} keep
   */
  constructor(runner, findings, keep) {
    const { program, variant, symbols } = runner;
    this.runner = runner;
    this.keep = keep;
    this.leftMs = BUDGET_MS;
    this.longestMs = 0; // of a choice
    /** @type {{group: string, timed: Timed, choices: Choice[]}[]} */
    this.groups = Object.entries(variant.tuning ?? {})
      .filter(([group]) => program.tuning?.[group])
      .map(([group, choices]) => ({
        group,
        choices,
        timed: /** @type {any} */ (program.tuning)[group],
      }));
    /** @type {Findings} */
    this.findings = {};
    /** @type {Map<string, Contender>} what won in this search */
    this.winners = new Map();
    for (const { group, choices } of this.groups) {
      const isRunning = (/** @type {Choice} */ choice) =>
        Object.entries(choice).every(([symbol, value]) => symbols[symbol] === value);
      const taken = choiceName(choices.find(isRunning) ?? choices[0]);
      const tried = findings[group]?.tried ?? [choiceName(choices[0])];
      this.findings[group] = { taken, tried: [...tried] };
    }
  }

  /**
   * Try what was not tried yet, until the time is up or the signal comes.
   * @param {AbortSignal} signal
   */
  async run(signal) {
    const untried = this.untried();
    for (const { group, timed, choice } of untried) {
      await within(this.runner.prepare(timed.phase), { deadline: Infinity, signal });
      if (signal.aborted || this.leftMs <= this.longestMs) return;
      await this.attempt(group, timed, choice, signal);
    }
  }

  /** What was not tried yet, group by group. */
  untried() {
    return this.groups.flatMap(({ group, timed, choices }) =>
      choices
        .filter((choice) => !this.findings[group].tried.includes(choiceName(choice)))
        .map((choice) => ({ group, timed, choice })),
    );
  }

  /**
   * Try one choice. It is noted before: one that ends the page, or takes too long, is not tried again.
   * @param {string} group
   * @param {Timed} timed
   * @param {Choice} choice
   * @param {AbortSignal} signal
   */
  async attempt(group, timed, choice, signal) {
    const started = performance.now();
    const found = this.findings[group];
    const name = choiceName(choice);
    found.tried.push(name);
    await this.keep(this.findings);
    const current = this.winners.get(group) ?? { choice: {}, steps: this.runningSteps(timed) };
    const until = { deadline: started + this.leftMs, signal };
    const other = await within(this.compile(timed, choice), until);
    const times = other && (await this.race(timed, [current, other], until));
    if (times && times[1] < FASTER * times[0]) {
      this.winners.set(group, other);
      found.taken = name;
    } else if (!times && signal.aborted) found.tried.pop();
    if (found.taken === name || signal.aborted) await this.keep(this.findings);
    const took = performance.now() - started;
    this.leftMs -= took;
    this.longestMs = Math.max(this.longestMs, took);
  }

  /**
   * @param {Timed} timed
   * @returns {BoundStep[]}
   */
  runningSteps({ phase, steps }) {
    const bound = this.runner.steps.get(phase) ?? [];
    return steps.map((number) => bound[number]);
  }

  /**
   * @param {Timed} timed
   * @param {Choice} choice
   * @returns {Promise<Contender>}
   */
  async compile(timed, choice) {
    const { program, pipelines } = this.runner;
    const names = timed.steps.map((number) => program.phases[timed.phase][number].kernel);
    const made = await Promise.all(names.map((name) => pipelines.get(name, choice)));
    const steps = this.runningSteps(timed).map((step, i) => ({ ...step, pipeline: made[i] }));
    return { steps, choice };
  }

  /**
   * The least time of each contender, those of a round one after the other.
   * @param {Timed} timed
   * @param {Contender[]} contenders
   * @param {Until} until
   * @returns {Promise<number[] | null>} null where the time was too short for a verdict
   */
  async race(timed, contenders, { deadline, signal }) {
    const { runner } = this;
    const call = {
      num_tokens: runner.size(timed.symbols.num_tokens),
      position: runner.size(timed.symbols.position),
    };
    runner.writeState({ ...call, num_generated: 0 });
    const record = (/** @type {Contender} */ { steps, choice }, /** @type {number} */ count) =>
      recordBound(steps.slice(0, count), { ...runner.symbols, ...choice, ...call });
    const timer = new Timer(runner);
    try {
      const { steps } = contenders[0];
      const few = new Set(steps.map(({ pipeline }) => pipeline)).size; // a step of every kernel
      const first = await timer.submit(record(contenders[0], few), 1);
      const isSlow = first >= ROUND_MS;
      const allMs = Math.max(first * (steps.length / few), ROUND_MS / MOST_LOOPS);
      const loops = isSlow ? 1 : Math.ceil(ROUND_MS / allMs);
      const records = contenders.map((one) => record(one, isSlow ? few : steps.length));
      /** @type {number[][]} */
      const rounds = [];
      while (rounds.length < ROUNDS && performance.now() < deadline && !signal.aborted) {
        const times = [];
        for (const each of records) times.push(await timer.submit(each, loops));
        rounds.push(times);
      }
      if (rounds.length < LEAST_ROUNDS) return null;
      return contenders.map((_, i) => Math.min(...rounds.slice(1).map((times) => times[i])));
    } finally {
      timer.destroy();
    }
  }
}

/**
 * What a promise gives, if that comes in time; else undefined.
 * @template T
 * @param {Promise<T>} promise
 * @param {Until} until
 * @returns {Promise<T | undefined>}
 */
export async function within(promise, { deadline, signal }) {
  promise.catch(() => {}); // it may fail later, when nobody waits any more
  /** @type {number | undefined} */
  let timer;
  /** @type {Promise<undefined>} */
  const end = new Promise((resolve) => {
    const left = deadline - performance.now();
    if (left < Infinity) timer = setTimeout(() => resolve(undefined), left);
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
    if (signal.aborted) resolve(undefined);
  });
  try {
    return await Promise.race([promise, end]);
  } finally {
    clearTimeout(timer);
  }
}
