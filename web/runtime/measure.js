/**
 * Runs a model's phases and kernels with the clock on. The twin of webgemma/bench/measure.py: the
 * same figures by the same names.
 */

/** @import { KernelTime, MeasureOptions, Measured, Phase, Rate, Step } from "./types.d.ts" */
/** @import { Runner } from "./runner.js" */
/** @import { Session } from "./session.js" */

import { ConfigError } from "./errors.js";
import { boundNbytes } from "./memory.js";
import { Timer, median, recordSteps } from "./timing.js";

const PROMPTS = [16, 128];
const CONTEXTS = [16, 256];
const REPEAT = 3;
const MOST_MS = 2000; // of one figure: somebody waits
const STEPS = 8; // decode steps of one measurement, all under way at once
/** Templates that read rows of the weights they bind, not all of them. */
const GATHERS = ["embed"];

/**
 * Measure a loaded model. What is in its caches is lost: the next request is prefilled from its start.
 * @param {Session} session
 * @param {MeasureOptions} [options]
 * @param {(done: number, total: number) => void} [onProgress]
 * @param {AbortSignal} [signal]
 * @returns {Promise<Measured>}
 */
export async function measure(session, options = {}, onProgress = () => {}, signal) {
  const { runner, contextWindowSize: most } = session;
  const prompts = chooseLengths(options.prompts, PROMPTS, most, "prompt");
  const contexts = chooseLengths(options.contexts, CONTEXTS, most - STEPS, "context");
  const { repeat = REPEAT, mostMs = MOST_MS } = options;
  const limits = { repeat, mostMs };
  const chunk = Math.min(runner.program.prefill_chunk_size, most);
  const groups = [...kernelGroups(runner, "decode"), ...kernelGroups(runner, "prefill")];
  const total = 1 + prompts.length + contexts.length + groups.length;
  let done = 0;
  const tick = () => {
    onProgress(++done, total);
    signal?.throwIfAborted();
  };
  const timer = new Timer(runner);
  try {
    signal?.throwIfAborted();
    await runner.prepareRest();
    const first_token_seconds = await firstTokenSeconds(session, Math.min(...prompts), limits);
    tick();
    /** @type {Rate[]} */
    const prefill = [];
    for (const tokens of prompts) {
      const seconds = await prefillSeconds(session, tokens, limits);
      prefill.push({ tokens, seconds_per_token: seconds / tokens });
      tick();
    }
    /** @type {Rate[]} */
    const decode = [];
    for (const tokens of contexts) {
      decode.push({ tokens, seconds_per_token: await decodeSeconds(runner, tokens, limits) });
      tick();
    }
    /** @type {KernelTime[]} */
    const kernels = [];
    for (const group of groups) {
      const [position, num_tokens] = group.phase === "decode" ? [contexts[0], 1] : [0, chunk];
      kernels.push(await kernelTime(timer, group, { position, num_tokens }, limits));
      tick();
    }
    return { clock: timer.clock, chunk, first_token_seconds, prefill, decode, kernels };
  } finally {
    session.reset();
    timer.destroy();
  }
}

/**
 * The lengths asked for, or the usual ones that fit, or the longest that does.
 * @param {number[] | undefined} asked
 * @param {number[]} usual
 * @param {number} most
 * @param {string} name
 * @returns {number[]}
 */
export function chooseLengths(asked, usual, most, name) {
  if (!asked) {
    const fitting = usual.filter((length) => length <= most);
    return fitting.length ? fitting : [most];
  }
  const wrong = asked.find(
    (length) => !(Number.isInteger(length) && length >= 1 && length <= most),
  );
  if (wrong === undefined) return asked;
  throw new ConfigError(`${name}: got ${wrong} tokens, expected 1 to ${most} (the context).`);
}

/** @typedef {{repeat: number, mostMs: number}} Limits */
/** @typedef {{phase: Phase, kernel: string, numbers: number[]}} KernelGroup */

/**
 * Time from a prompt's tokens to the first token of the answer, read back.
 * @param {Session} session
 * @param {number} numTokens
 * @param {Limits} limits
 * @returns {Promise<number>}
 */
function firstTokenSeconds(session, numTokens, limits) {
  const { runner } = session;
  return medianSeconds(limits, async () => {
    const chunk = await runPrompt(session, numTokens);
    runner.writeState({ temperature: 0, num_generated: 0 });
    runner.run("sample", chunk);
    await runner.readGenerated(0, 1);
  });
}

/**
 * Time of a prompt, until the GPU has done it.
 * @param {Session} session
 * @param {number} numTokens
 * @param {Limits} limits
 * @returns {Promise<number>}
 */
function prefillSeconds(session, numTokens, limits) {
  return medianSeconds(limits, async () => {
    await runPrompt(session, numTokens);
    await session.runner.finished();
  });
}

/**
 * Submit a prompt of the vocabulary's first tokens.
 * @param {Session} session
 * @param {number} numTokens
 * @returns {Promise<{position: number, num_tokens: number}>} its last chunk
 */
async function runPrompt(session, numTokens) {
  const { vocab_size } = session.runner.program;
  const tokens = Array.from({ length: numTokens }, (_, i) => i % vocab_size);
  session.reset();
  session.begin(null, 0);
  let last = { position: 0, num_tokens: 0 };
  for await (last of session.prefill(tokens, 0));
  return last;
}

/**
 * Time of a decode step behind `context` tokens, several steps being under way.
 *
 * Nobody computed the keys and values there: zeros take as long.
 * @param {Runner} runner
 * @param {number} context
 * @param {Limits} limits
 * @returns {Promise<number>}
 */
async function decodeSeconds(runner, context, limits) {
  const seconds = await medianSeconds(limits, async () => {
    runner.writeState({ position: context, num_tokens: 1, num_generated: 0 });
    for (let step = 0; step < STEPS; step++) {
      runner.run("decode", { position: context + step, num_tokens: 1 });
    }
    await runner.finished();
  });
  return seconds / STEPS;
}

/**
 * Median seconds of some calls after one that warms up; of fewer if they are slow.
 * @param {Limits} limits
 * @param {() => Promise<void>} once
 * @returns {Promise<number>}
 */
async function medianSeconds({ repeat, mostMs }, once) {
  /** @type {number[]} */
  const times = [];
  const begun = performance.now();
  while (times.length <= repeat && performance.now() - begun < mostMs) {
    const started = performance.now();
    await once();
    times.push((performance.now() - started) / 1000);
  }
  return median(times.length > 1 ? times.slice(1) : times);
}

/**
 * The kernels of a phase with the numbers of their steps, in the order they first run.
 * @param {Runner} runner
 * @param {Phase} phase
 * @returns {KernelGroup[]}
 */
export function kernelGroups({ program }, phase) {
  /** @type {Map<string, number[]>} */
  const groups = new Map();
  for (const [number, { kernel }] of program.phases[phase].entries()) {
    groups.set(kernel, [...(groups.get(kernel) ?? []), number]);
  }
  return Array.from(groups, ([kernel, numbers]) => ({ phase, kernel, numbers }));
}

/**
 * Time of a kernel's steps, all layers in turn so that no cache holds their weights.
 * @param {Timer} timer
 * @param {KernelGroup} group
 * @param {{position: number, num_tokens: number}} symbols
 * @param {Limits} limits
 * @returns {Promise<KernelTime>}
 */
async function kernelTime(timer, { phase, kernel, numbers }, symbols, { repeat, mostMs }) {
  const { runner } = timer;
  runner.writeState({ ...symbols, num_generated: 0 });
  const record = recordSteps(runner, phase, numbers, symbols);
  const { program } = runner;
  const steps = numbers.map((number) => program.phases[phase][number]);
  return {
    phase,
    name: kernel,
    template: program.kernels[kernel].template,
    dispatches: numbers.length,
    seconds: (await timer.medianMs(record, repeat, mostMs)) / 1000,
    weights_nbytes: steps.reduce((sum, step) => sum + weightsNbytes(runner, step), 0),
  };
}

/**
 * Bytes of weights that a step reads: all it binds, but of a gathering kernel next to none.
 * @param {Runner} runner
 * @param {Step} step
 * @returns {number}
 */
function weightsNbytes(runner, { kernel, bindings }) {
  const { kernels, buffers } = runner.program;
  if (GATHERS.includes(kernels[kernel].template)) return 0;
  return bindings
    .filter(({ buffer }) => ["weights", "matrix"].includes(buffers[buffer].kind))
    .map((range) => boundNbytes(range, runner.size(buffers[range.buffer].nbytes), runner.symbols))
    .reduce((sum, nbytes) => sum + nbytes, 0);
}
