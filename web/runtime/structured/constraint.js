/**
 * Holds one reply to a grammar, token by token. The twin of webgemma/structured/constraint.py.
 *
 * A matcher, of a library, says which tokens may come next; it may allow a few too many. A walk through
 * the same grammar says what it takes to end the reply: a token that would leave too little room for
 * that, or that the walk does not go, is not taken, and another is asked for.
 */

/** @import { Grammar } from "./grammar.js" */
/** @import { Vocabulary } from "./vocabulary.js" */

import { ConfigError } from "../errors.js";
import { Walk } from "./walk.js";

/**
 * What a library does: follows one text through a grammar.
 * @typedef {object} Matcher
 * @property {() => Promise<Uint32Array>} mask which tokens may come next, stop tokens where the text
 *   may end: bit t % 32 of word t / 32, u32[ceil(vocab_size / 32)]
 * @property {(token: number) => void} accept go on by a token
 * @property {() => void} destroy
 */

/** A reply, and what may come next in it. Owns memory of the library: call `destroy()`. */
export class Constraint {
  /**
   * Begin a reply.
   * @param {Grammar} grammar what it has to be a text of
   * @param {Matcher} matcher at the beginning of the same grammar
   * @param {Vocabulary} vocabulary
   * @param {number[]} stopTokenIds end the reply
   * @param {number} limit of its tokens, the stop token included
   */
  constructor(grammar, matcher, vocabulary, stopTokenIds, limit) {
    this.matcher = matcher;
    this.vocabulary = vocabulary;
    this.stopTokenIds = stopTokenIds;
    this.walk = Walk.start(grammar);
    this.left = limit;
    /** @type {number[] | null} the tokens still to come, once there is room for no others */
    this.ending = null;
    const shortest = vocabulary.cover(this.walk.rest());
    if (shortest && shortest.length + 1 <= limit) return;
    const needed = shortest ? `${shortest.length + 1} tokens` : "tokens it has not";
    throw new ConfigError(
      `response_format: the shortest reply takes ${needed}, got room for ${limit}. ` +
        "Set max_tokens higher, or shorten the prompt.",
    );
  }

  destroy() {
    this.matcher.destroy();
  }

  /**
   * Which tokens may come next.
   * @returns {Promise<Uint32Array>} as of a matcher
   */
  async mask() {
    if (!this.ending) return this.matcher.mask();
    const mask = new Uint32Array(Math.ceil(this.vocabulary.pieces.length / 32));
    const tokens = this.ending.length ? this.ending.slice(0, 1) : this.stopTokenIds;
    for (const token of tokens) mask[token >>> 5] |= 1 << (token & 31);
    return mask;
  }

  /**
   * Go on by a token of the mask, if that is possible.
   * @param {number} token
   * @returns {number | null} the token that was taken; null: another is to be chosen
   */
  take(token) {
    if (this.walk.mayEnd && this.stopTokenIds.includes(token)) return token;
    if (this.ending) return this.takeShortest();
    return this.goOn(token) ? token : null;
  }

  /**
   * Go on by the next token of the shortest way to the end.
   * @returns {number} that token
   */
  takeShortest() {
    if (this.ending) return this.ending.shift() ?? this.stopTokenIds[0];
    const way = this.vocabulary.cover(this.walk.rest()) ?? []; // it was checked a step before
    if (way.length && this.goOn(way[0])) return way[0];
    this.ending = way;
    return this.takeShortest();
  }

  /**
   * Take a token, if the grammar goes on so and leaves room to end.
   * @param {number} token
   */
  goOn(token) {
    const piece = this.vocabulary.pieces[token]; // a control token's is empty
    const walk = piece.length ? this.walk.push(piece) : null;
    if (!walk || !this.hasRoom(walk)) return false;
    this.walk = walk;
    this.left -= 1;
    this.matcher.accept(token);
    return true;
  }

  /**
   * Whether a text can be ended behind one more token, with a stop token.
   * @param {Walk} walk
   */
  hasRoom(walk) {
    const room = this.left - 2;
    if (walk.restNbytes <= room) return true; // no token has less than a byte
    const tokens = this.vocabulary.cover(walk.rest());
    return tokens !== null && tokens.length <= room;
  }
}
