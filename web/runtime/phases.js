/** Which steps a runner takes at once: a program's phases, and what short prompts take of `decode`. */

/** @import { Phase, Program, Step } from "./types.d.ts" */

/**
 * `layers` is `decode` up to where a token is chosen; `append` is what of that fills the caches, all
 * that is left to do for a token that another one follows.
 * @typedef {Phase | "layers" | "append"} RunPhase
 */

/**
 * @param {Program} program
 * @returns {Partial<Record<RunPhase, Step[]>>}
 */
export function phasesOf(program) {
  const { decode = [], sample = [] } = program.phases;
  if (!endsWith(decode, sample)) return program.phases;
  const layers = decode.slice(0, decode.length - sample.length);
  const filling = layers.map((step) => fillsCache(program, step)).lastIndexOf(true);
  return { ...program.phases, layers, append: layers.slice(0, filling + 1) };
}

/**
 * Whether the last steps run the kernels of others.
 * @param {Step[]} steps
 * @param {Step[]} others
 */
function endsWith(steps, others) {
  const last = steps.slice(steps.length - others.length);
  return others.length > 0 && others.every(({ kernel }, i) => kernel === last[i]?.kernel);
}

/**
 * @param {Program} program
 * @param {Step} step
 */
function fillsCache({ buffers, kernels }, { kernel, bindings }) {
  const types = kernels[kernel]?.bindings ?? []; // a program that is wrong is refused later
  return bindings.some(
    ({ buffer }, i) => types[i]?.type === "storage" && buffers[buffer]?.kind === "cache",
  );
}
