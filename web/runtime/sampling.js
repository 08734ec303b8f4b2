/**
 * Chooses the next token from a row of logits, on the host. The twin of webgemma/runtime/sampling.py.
 *
 * In this order: the mask of a constraint, penalties, logit_bias, temperature, top_k, top_p, min_p,
 * and the Gumbel-max draw of docs/program.md, all in float64. docs/javascript.md says whose
 * definitions these are.
 */

/** @import { Constraint } from "./structured/constraint.js" */

import { ConfigError } from "./errors.js";

/**
 * How tokens are chosen.
 * @typedef {object} Sampling
 * @property {number} temperature 0 takes the likeliest
 * @property {number} top_p
 * @property {number} top_k 0: all tokens
 * @property {number} min_p
 * @property {number} seed u32
 * @property {number} presence_penalty
 * @property {number} frequency_penalty
 * @property {number} repetition_penalty
 * @property {Record<string, number>} logit_bias by token id
 * @property {number | null} top_logprobs alternatives to report with each logprob; null: no logprobs
 */

/**
 * A chosen token; with logprobs, its own and those of the likeliest.
 * @typedef {object} Choice
 * @property {number} token_id
 * @property {number} [logprob]
 * @property {[token_id: number, logprob: number][]} [top_logprobs]
 */

/** What changes nothing. @type {Readonly<Sampling>} */
export const GREEDY = Object.freeze({
  temperature: 0,
  top_p: 1,
  top_k: 0,
  min_p: 0,
  seed: 0,
  presence_penalty: 0,
  frequency_penalty: 0,
  repetition_penalty: 1,
  logit_bias: {},
  top_logprobs: null,
});

// The highest scores are found in bins of a quarter of a nat below the best: sorting all of 256,000
// takes longer than a step of the model.
const BINS = 256;
const BINS_PER_NAT = 4;
const MAX_REFUSALS = 8; // of tokens by a constraint, before it takes one of its own
const MAX_HASH = 2 ** 23 - 1; // of the 23 bits that become a uniform number

/**
 * Whether the program's own choice, by temperature alone, is not enough.
 * @param {Sampling} sampling
 */
export function readsLogits(sampling) {
  const { top_p, top_k, min_p, presence_penalty, frequency_penalty } = sampling;
  const filters = top_p < 1 || top_k > 0 || min_p > 0;
  return (
    (filters && sampling.temperature > 0) ||
    presence_penalty !== 0 ||
    frequency_penalty !== 0 ||
    sampling.repetition_penalty !== 1 ||
    Object.keys(sampling.logit_bias).length > 0 ||
    sampling.top_logprobs !== null
  );
}

/** Chooses token after token of one text. */
export class Sampler {
  /**
   * Begin behind a prompt.
   * @param {Sampling} sampling
   * @param {number[]} prompt
   * @param {number} vocabSize
   * @param {Constraint | null} [constraint] says which tokens may come; by default all
   */
  constructor(sampling, prompt, vocabSize, constraint = null) {
    const wrong = Object.keys(sampling.logit_bias).find((token) => Number(token) >= vocabSize);
    if (wrong !== undefined) {
      throw new ConfigError(`logit_bias: got token ${wrong}, expected 0 to ${vocabSize - 1}.`);
    }
    this.sampling = sampling;
    this.constraint = constraint;
    this.seen = new Set(prompt);
    /** @type {Map<number, number>} how often each token was chosen */
    this.counts = new Map();
    this.numGenerated = 0;
  }

  /**
   * The next token after a row of logits.
   * @param {Float32Array} logits [vocab_size]
   * @param {Uint32Array | null} [mask] the constraint's
   * @returns {Choice}
   */
  choose(logits, mask = null) {
    const scores = this.score(logits, mask);
    const token_id = this.drawAllowed(scores);
    this.seen.add(token_id);
    this.counts.set(token_id, (this.counts.get(token_id) ?? 0) + 1);
    this.numGenerated += 1;
    const { top_logprobs } = this.sampling;
    return top_logprobs === null
      ? { token_id }
      : { token_id, ...logprobs(logits, token_id, top_logprobs) };
  }

  /**
   * Draw a token, and others where the constraint does not take it.
   * @param {Float64Array} scores
   * @returns {number}
   */
  drawAllowed(scores) {
    let token = draw(scores, keep(scores, this.sampling), this.sampling, this.numGenerated);
    if (!this.constraint) return token;
    for (let refusals = 0; refusals < MAX_REFUSALS; refusals++) {
      const taken = this.constraint.take(token);
      if (taken !== null) return taken;
      scores[token] = -Infinity;
      if (scores[argmax(scores)] === -Infinity) break;
      token = draw(scores, keep(scores, this.sampling), this.sampling, this.numGenerated);
    }
    return this.constraint.takeShortest();
  }

  /**
   * Logits with penalties and bias, divided by the temperature unless that is 0. That of a token
   * that may not come is -Infinity.
   * @param {Float32Array} logits [vocab_size]
   * @param {Uint32Array | null} [mask]
   * @returns {Float64Array} [vocab_size]
   */
  score(logits, mask = null) {
    const { repetition_penalty, frequency_penalty, presence_penalty } = this.sampling;
    const scores = new Float64Array(logits);
    if (mask) forbid(scores, mask);
    if (repetition_penalty !== 1) {
      for (const token of this.seen) {
        if (scores[token] > 0) scores[token] /= repetition_penalty;
        else scores[token] *= repetition_penalty;
      }
    }
    for (const [token, count] of this.counts) {
      scores[token] -= count * frequency_penalty + presence_penalty;
    }
    for (const [token, bias] of Object.entries(this.sampling.logit_bias)) {
      scores[Number(token)] += bias;
    }
    const { temperature } = this.sampling;
    if (temperature > 0) for (let i = 0; i < scores.length; i++) scores[i] /= temperature;
    return scores;
  }
}

/**
 * Give -Infinity to the tokens whose bit is not set; bits that are not there are not.
 * @param {Float64Array} scores [vocab_size]
 * @param {Uint32Array} mask
 */
function forbid(scores, mask) {
  for (let token = 0; token < scores.length; token++) {
    if (!((mask[token >>> 5] >>> (token & 31)) & 1)) scores[token] = -Infinity;
  }
}

/**
 * The tokens that top_k, top_p and min_p leave; null if they leave all.
 * @param {Float64Array} scores
 * @param {Sampling} sampling
 * @returns {number[] | null}
 */
export function keep(scores, { top_k, top_p, min_p }) {
  const best = scores[argmax(scores)];
  /** @type {number[] | null} */
  let tokens = null;
  if (top_k > 0 && top_k < scores.length) {
    tokens = largest(scores, best, top_k, () => 1).slice(0, top_k);
  }
  if (top_p < 1) tokens = nucleus(scores, best, tokens, top_p);
  if (min_p > 0) {
    const floor = best + Math.log(min_p);
    tokens = tokens ? tokens.filter((token) => scores[token] >= floor) : above(scores, floor);
  }
  return tokens;
}

/**
 * The likeliest of `tokens`, of all if null, until their share of the mass is topP.
 * @param {Float64Array} scores
 * @param {number} best
 * @param {number[] | null} tokens
 * @param {number} topP
 * @returns {number[]}
 */
function nucleus(scores, best, tokens, topP) {
  const wanted = topP * massOf(scores, best, tokens);
  const sorted = tokens ?? largest(scores, best, wanted, (score) => Math.exp(score - best));
  let mass = 0;
  let count = 0;
  while (count < sorted.length) {
    mass += Math.exp(scores[sorted[count++]] - best);
    if (mass >= wanted) break;
  }
  return sorted.slice(0, count);
}

/**
 * The sum of exp(score - best) over tokens, over all if null.
 * @param {Float64Array} scores
 * @param {number} best
 * @param {number[] | null} tokens
 * @returns {number}
 */
function massOf(scores, best, tokens) {
  let sum = 0;
  if (tokens) for (const token of tokens) sum += Math.exp(scores[token] - best);
  else for (let i = 0; i < scores.length; i++) sum += Math.exp(scores[i] - best);
  return sum;
}

/**
 * The tokens whose score is at least `floor`.
 * @param {Float64Array} scores
 * @param {number} floor
 * @returns {number[]}
 */
function above(scores, floor) {
  const tokens = [];
  for (let i = 0; i < scores.length; i++) if (scores[i] >= floor) tokens.push(i);
  return tokens;
}

/**
 * At least as many of the highest scores as have a weight in all, in order; lower tokens first.
 * @param {Float64Array} scores
 * @param {number} best
 * @param {number} wanted
 * @param {(score: number) => number} weigh
 * @returns {number[]}
 */
function largest(scores, best, wanted, weigh) {
  const weights = new Float64Array(BINS);
  for (let i = 0; i < scores.length; i++) {
    const bin = Math.floor((best - scores[i]) * BINS_PER_NAT);
    if (bin < BINS) weights[bin] += weigh(scores[i]);
  }
  let bin = 0;
  let weight = 0;
  while (bin < BINS && weight < wanted) weight += weights[bin++];
  const tokens = above(scores, weight < wanted ? -Infinity : best - bin / BINS_PER_NAT);
  return tokens.sort((a, b) => scores[b] - scores[a]); // stable: equal ones stay in order
}

/**
 * The token whose score plus noise is highest; without a temperature, whose score is.
 * @param {Float64Array} scores
 * @param {number[] | null} tokens
 * @param {Sampling} sampling
 * @param {number} numGenerated
 * @returns {number}
 */
export function draw(scores, tokens, { temperature, seed }, numGenerated) {
  let winner = argmax(scores);
  if (temperature === 0) return winner;
  const start = noiseStart(seed, numGenerated);
  let bound = scores[winner] + gumbel(mix(start + winner));
  const count = tokens ? tokens.length : scores.length;
  for (let i = 0; i < count; i++) {
    const token = tokens ? tokens[i] : i;
    const hash = mix(start + token);
    if (scores[token] + noiseBound(hash) < bound) continue; // most cannot win
    const noisy = scores[token] + gumbel(hash);
    if (noisy > bound || (noisy === bound && token < winner)) {
      bound = noisy;
      winner = token;
    }
  }
  return winner;
}

/**
 * Log of the model's own probability of a token, and of the `count` likeliest tokens.
 * @param {Float32Array} logits
 * @param {number} token
 * @param {number} count
 * @returns {{logprob: number, top_logprobs: [number, number][]}}
 */
export function logprobs(logits, token, count) {
  const values = new Float64Array(logits);
  const best = values[argmax(values)];
  const total = best + Math.log(massOf(values, best, null));
  const top = largest(values, best, count, () => 1).slice(0, count);
  return { logprob: values[token] - total, top_logprobs: top.map((t) => [t, values[t] - total]) };
}

/** @param {Float64Array} values */
function argmax(values) {
  let winner = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[winner]) winner = i;
  return winner;
}

/**
 * A 32-bit hash: as in shaders/gumbel.wgsl.jinja.
 * @param {number} value
 */
export function mix(value) {
  let h = Math.imul(value ^ (value >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * What the tokens' ids are added to before they are hashed.
 * @param {number} seed
 * @param {number} numGenerated
 */
export function noiseStart(seed, numGenerated) {
  return mix(mix(seed) + numGenerated);
}

/**
 * A bound of `gumbel` that takes no logarithm: -log(-log(u)) < -log(1 - u), and 1 - u has a number of
 * zeros before its first bit.
 * @param {number} hash
 */
export function noiseBound(hash) {
  return (Math.clz32(MAX_HASH - (hash >>> 9)) - 8) * Math.LN2;
}

/**
 * The noise of a token: -log(-log(u)), u of its hash in (0, 1).
 * @param {number} hash
 */
export function gumbel(hash) {
  return -Math.log(-Math.log(((hash >>> 9) + 0.5) * 2 ** -23));
}
