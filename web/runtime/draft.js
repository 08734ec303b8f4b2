/**
 * Drafts: guesses at the tokens to come, by what followed the last ones before. The twin of
 * webgemma/runtime/draft.py.
 *
 * A step with eight rows costs a few steps with one, so a draft that holds saves some, and one that
 * fails costs some: whether to draft is decided by what both took and by how often the guesses held.
 * Guesses are made, and judged, at plain steps too, where they are free.
 */

/** @import { Program } from "./types.d.ts" */

const GRAM_LENGTHS = [3, 2]; // tokens that must have occurred before, the longer first
const MOST_DRAFTED = 7; // a tile of matrix products has 8 rows or more

const NEWEST = 0.25; // the newest value's weight in an average
const FIRST_RATE = 0.5; // of guesses that hold, before any was judged
const FIRST_COST = 3; // of a draft's step, in plain steps, before both were timed
const FORGOTTEN = 0.01; // of a draft's time by the token, so that one slow step does not end drafting

/** Finds where the last tokens occurred before. */
export class Lookup {
  /** @param {number[]} [tokens] a text to begin with */
  constructor(tokens = []) {
    /** @type {number[]} */
    this.tokens = [];
    /** @type {Map<string, number>} gram -> the index behind its last occurrence */
    this.ends = new Map();
    /** @type {number | undefined} the index behind the last tokens' occurrence before this one */
    this.next = undefined;
    for (const token of tokens) this.push(token);
  }

  /** @param {number} token */
  push(token) {
    const end = this.tokens.push(token);
    this.next = undefined;
    for (const length of GRAM_LENGTHS) {
      if (length > end) continue;
      const gram = this.tokens.slice(-length).join();
      this.next ??= this.ends.get(gram);
      this.ends.set(gram, end);
    }
  }

  /**
   * The next tokens if the text goes on as it did there; none if it was not found. Where that reaches
   * the end, what repeats goes round.
   * @param {number} count
   * @returns {number[]}
   */
  following(count) {
    const { tokens, next } = this;
    if (next === undefined) return [];
    const period = tokens.length - next;
    return Array.from({ length: count }, (_, i) => tokens[next + (i % period)]);
  }
}

/** Drafts where it pays, and counts what came of it. */
export class Drafter {
  /**
   * @param {number[]} tokens the prompt
   * @param {number} [most] tokens of a draft
   */
  constructor(tokens, most = MOST_DRAFTED) {
    this.lookup = new Lookup(tokens);
    this.most = most;
    this.draftedTokens = 0;
    this.acceptedTokens = 0;
    this.rate = FIRST_RATE;
    /** @type {number | undefined} time of a plain step */
    this.plain = undefined;
    /** @type {number | undefined} time of a draft's step */
    this.verify = undefined;
  }

  /**
   * Take a token that was generated, and judge what would have been guessed.
   * @param {number} token
   */
  push(token) {
    for (const guess of this.lookup.following(1)) {
      this.rate = average(this.rate, guess === token ? 1 : 0);
    }
    this.lookup.push(token);
  }

  /**
   * Tokens to verify in one step with the last one; none where a plain step is better.
   * @param {number} room how many more tokens may be generated
   * @returns {number[]}
   */
  draft(room) {
    const guess = this.lookup.following(Math.min(this.most, room - 1));
    const expected = guess.reduce((sum, _, i) => sum + this.rate ** (i + 1), 1); // tokens of the step
    return expected > this.cost ? guess : [];
  }

  /** Of a draft's step, in plain steps. */
  get cost() {
    if (this.plain === undefined || this.verify === undefined) return FIRST_COST;
    return this.verify / this.plain;
  }

  /**
   * Note what plain steps took together.
   * @param {number} count
   * @param {number} duration
   */
  decoded(count, duration) {
    this.plain = average(this.plain, duration / count);
    if (this.verify !== undefined) this.verify *= (1 - FORGOTTEN) ** count;
  }

  /**
   * Note what became of a draft, and what its step took.
   * @param {number} drafted
   * @param {number} accepted
   * @param {number} duration
   */
  verified(drafted, accepted, duration) {
    this.draftedTokens += drafted;
    this.acceptedTokens += accepted;
    this.verify = average(this.verify, duration);
  }
}

/**
 * @param {number | undefined} average
 * @param {number} value
 */
function average(average, value) {
  return average === undefined ? value : average + NEWEST * (value - average);
}

/**
 * A drafter behind a prompt; null for a program built before drafts could be verified.
 * @param {Program} program
 * @param {number[]} tokens
 * @returns {Drafter | null}
 */
export function makeDrafter(program, tokens) {
  if (!program.phases.verify) return null;
  return new Drafter(tokens, Math.min(MOST_DRAFTED, program.logits_chunk_size - 1));
}
