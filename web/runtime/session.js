/**
 * Tokens in, tokens out: prefills in chunks, decodes with several steps in flight, and keeps the
 * cache of a conversation for its next turn.
 *
 * The twin of webgemma/runtime/session.py.
 */

/** @import { Runner } from "./runner.js" */
/** @import { Choice, Sampling } from "./sampling.js" */
/** @import { Steps } from "./steps.js" */
/** @import { Constraint } from "./structured/constraint.js" */
/** @import { Pixels } from "./vision.js" */

import { makeDrafter } from "./draft.js";
import { ConfigError } from "./errors.js";
import { GREEDY } from "./sampling.js";
import { commonPrefix, makeSteps } from "./steps.js";
import { checkPrefix, encodeImage, samePixels } from "./vision.js";

const MOST_DECODED = 32; // tokens of a prompt: steps that take less than compiling `prefill`, on software adapters

/**
 * @typedef {object} GenerateOptions
 * @property {number} [maxTokens] at most as many as the context has room for
 * @property {Partial<Sampling>} [sampling] greedy where it is left out
 * @property {Pixels | null} [pixels] the image of a model that sees
 * @property {Iterable<number>} [stopTokenIds] end the text and are not part of it
 * @property {AbortSignal} [signal] ends the text early, with finish_reason "abort"
 * @property {Constraint | null} [constraint] says which tokens may come; made for so many as `limit`
 * @property {boolean} [draft] whether text that repeats may be drafted; true where it is left out
 */

/**
 * How a text ended.
 * @typedef {object} Ended
 * @property {"stop" | "length" | "abort"} finish_reason
 * @property {number} num_tokens generated, without the stop token
 */
/**
 * What `generate` measured.
 * @typedef {object} Measured
 * @property {number} cached_tokens tokens of the prompt that were in the cache
 * @property {number} prefill_duration_ms up to the first token
 * @property {number} decode_duration_ms after it
 * @property {number} drafted_tokens
 * @property {number} accepted_tokens those of them that the model would have chosen
 */
/** @typedef {Ended & Measured} Generation */

/** What is measured of a text that was aborted before it began. @type {Readonly<Generation>} */
const NOTHING = Object.freeze({
  finish_reason: "abort",
  num_tokens: 0,
  cached_tokens: 0,
  prefill_duration_ms: 0,
  decode_duration_ms: 0,
  drafted_tokens: 0,
  accepted_tokens: 0,
});

/** A conversation on a runner. */
export class Session {
  /** @param {Runner} runner */
  constructor(runner) {
    this.runner = runner;
    this.contextWindowSize = runner.symbols.context_window_size;
    /** @type {number[]} the tokens whose keys and values are in the caches */
    this.cached = [];
    /** @type {number[] | null} the prompt among them, if it was one */
    this.prompt = null;
    /** @type {Pixels | null} the image whose features are on the GPU */
    this.encoded = null;
  }

  /** Whether the GPU holds nothing that a request could build on. */
  get isNew() {
    return !this.cached.length && !this.encoded;
  }

  /** Forget the conversation. */
  reset() {
    this.cached = [];
    this.prompt = null;
  }

  /**
   * Run tokens[keep:] in chunks, no faster than the GPU works them off; yields each when it is
   * submitted.
   * @param {number[]} tokens the whole sequence; the first `keep` are in the caches already
   * @param {number} keep
   * @param {"prefill" | "layers"} [phase] `layers` runs them one by one
   * @returns {AsyncGenerator<{position: number, num_tokens: number}, void, void>}
   */
  async *prefill(tokens, keep, phase = "prefill") {
    await this.runner.prepare(phase);
    const size = phase === "layers" ? 1 : this.runner.program.prefill_chunk_size;
    for (let position = keep; position < tokens.length; position += size) {
      if (size > 1 && position > keep) await this.runner.finished();
      const part = tokens.slice(position, position + size);
      const chunk = { position, num_tokens: part.length };
      this.runner.writeTokens(part);
      this.runner.writeState({ ...chunk, token_id: part[0] });
      const isFollowed = position + 1 < tokens.length;
      this.runner.run(phase === "layers" && isFollowed ? "append" : phase, chunk);
      this.cached = tokens.slice(0, position + part.length);
      yield chunk;
    }
  }

  /**
   * The phase that runs so many tokens of a prompt: those of a short one for a small model do not
   * wait until `prefill` is compiled.
   * @param {number} count
   */
  promptPhase(count) {
    const { isSmall, steps } = this.runner;
    return isSmall && count <= MOST_DECODED && !steps.has("prefill") ? "layers" : "prefill";
  }

  /**
   * Refuse what the caches cannot hold, or nothing at all.
   * @param {number[]} tokens
   */
  checkLength(tokens) {
    if (tokens.length < 1 || tokens.length > this.contextWindowSize) {
      throw new ConfigError(
        `prompt: got ${tokens.length} tokens, expected 1 to ${this.contextWindowSize} ` +
          `(the context). Shorten it, or load the model with a larger context.`,
      );
    }
    const { vocab_size } = this.runner.program;
    const wrong = tokens.find((id) => !Number.isInteger(id) || id < 0 || id >= vocab_size);
    if (wrong === undefined) return;
    throw new ConfigError(`prompt: got token ${wrong}, expected 0 to ${vocab_size - 1}.`);
  }

  /**
   * Whether the features of an image are on the GPU; of none, always.
   * @param {Pixels | null} pixels
   */
  hasEncoded(pixels) {
    return pixels === null || samePixels(pixels, this.encoded);
  }

  /**
   * How many leading tokens of a prompt need not be run again; never its last one, from whose
   * output the next token comes.
   *
   * Where the tokens of a prompt see each other, only the same prompt is of use, about the same
   * image.
   * @param {number[]} tokens
   * @param {Pixels | null} pixels
   * @returns {number}
   */
  reusable(tokens, pixels) {
    const most = tokens.length - 1;
    if (!this.runner.program.image) return Math.min(most, commonPrefix(this.cached, tokens));
    const { prompt } = this;
    const isSame = prompt?.length === tokens.length && commonPrefix(prompt, tokens) > most;
    return isSame && this.hasEncoded(pixels) ? most : 0;
  }

  /**
   * For a model that sees: encode the image, if it is another, and set the prefix.
   * @param {Pixels | null} pixels
   * @param {number} prefixLength the first so many tokens see each other
   */
  begin(pixels, prefixLength) {
    const { program } = this.runner;
    if (!program.image) return;
    checkPrefix(program, prefixLength);
    if (pixels && !this.hasEncoded(pixels)) {
      encodeImage(this.runner, program.image, pixels);
      this.encoded = pixels;
    }
    this.runner.writeState({ prefix_length: prefixLength });
  }

  /**
   * How many tokens can be generated behind a prompt.
   * @param {number[]} tokenIds
   * @param {number} [maxTokens]
   */
  limit(tokenIds, maxTokens = Infinity) {
    return Math.min(maxTokens, this.contextWindowSize - tokenIds.length + 1); // the last needs no place
  }

  /**
   * Generate tokens after a prompt.
   * @param {number[]} tokenIds
   * @param {GenerateOptions} [options]
   * @returns {AsyncGenerator<Choice, Generation, void>}
   */
  async *generate(tokenIds, options = {}) {
    const { signal, pixels = null, maxTokens, sampling, constraint = null, draft = true } = options;
    const started = performance.now();
    this.checkLength(tokenIds);
    if (signal?.aborted) return { ...NOTHING };
    const cached_tokens = this.reusable(tokenIds, pixels);
    this.prompt = null; // until all of the next one is in the caches
    this.begin(pixels, tokenIds.length);
    this.cached.length = cached_tokens;
    let chunk = { position: 0, num_tokens: 0 };
    const phase = this.promptPhase(tokenIds.length - cached_tokens);
    for await (chunk of this.prefill(tokenIds, cached_tokens, phase)) if (signal?.aborted) break;
    this.prompt = tokenIds;
    await this.runner.prepare("sample");
    const limit = this.limit(tokenIds, maxTokens);
    const chosen = { ...GREEDY, ...sampling };
    const drafter = draft ? makeDrafter(this.runner.program, tokenIds) : null;
    const steps = makeSteps(this.runner, chunk, tokenIds, chosen, limit, constraint, drafter);
    const { first, ...ended } = yield* this.take(steps, new Set(options.stopTokenIds), signal);
    return {
      ...ended,
      cached_tokens,
      prefill_duration_ms: first - started,
      decode_duration_ms: performance.now() - first,
      drafted_tokens: drafter?.draftedTokens ?? 0,
      accepted_tokens: drafter?.acceptedTokens ?? 0,
    };
  }

  /**
   * Take tokens of steps until a stop token, the limit or the signal ends them.
   * @param {Steps} steps
   * @param {Set<number>} stops
   * @param {AbortSignal} [signal]
   * @returns {AsyncGenerator<Choice, Ended & {first: number}, void>} `first`: when the first token came
   */
  async *take(steps, stops, signal) {
    let first = performance.now();
    let num_tokens = 0;
    let previous = -1; // the last token that was given out
    while (num_tokens < steps.limit) {
      const choice = signal?.aborted ? undefined : await steps.next();
      if (num_tokens === 0) first = performance.now();
      if (choice === undefined || signal?.aborted) {
        return { finish_reason: "abort", num_tokens, first };
      }
      // A token enters the caches with the step after it.
      if (num_tokens > 0) this.cached.push(previous);
      if (stops.has(choice.token_id)) return { finish_reason: "stop", num_tokens, first };
      previous = choice.token_id;
      num_tokens += 1;
      yield choice;
    }
    return { finish_reason: "length", num_tokens, first };
  }

  /**
   * The logits after every token; starts a new conversation. For tests: the result is large.
   * @param {number[]} tokenIds
   * @param {{pixels?: Pixels | null, prefixLength?: number}} [options] of a model that sees: the image,
   *   and how many of the first tokens see each other
   * @returns {Promise<Float32Array>} [tokens, vocab_size]
   */
  async logits(tokenIds, { pixels = null, prefixLength = 0 } = {}) {
    this.checkLength(tokenIds);
    this.begin(pixels, prefixLength);
    this.reset();
    const { vocab_size: width, logits_chunk_size: most } = this.runner.program;
    const logits = new Float32Array(tokenIds.length * width);
    await this.runner.prepare("logits");
    for await (const { position, num_tokens: numRows } of this.prefill(tokenIds, 0)) {
      for (let start = 0; start < numRows; start += most) {
        const num_tokens = Math.min(most, numRows - start);
        this.runner.writeState({ logits_start: start, num_tokens });
        this.runner.run("logits", { position, num_tokens });
        logits.set(await this.runner.readLogits(num_tokens), (position + start) * width);
      }
    }
    return logits;
  }
}
