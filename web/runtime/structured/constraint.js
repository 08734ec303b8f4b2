/**
 * Holds one reply to a grammar, token by token. The twin of webgemma/structured/constraint.py.
 *
 * A matcher, of a library, says which tokens may come next. A walk through the same grammar says what
 * it takes to end the reply: a token that would leave too little room for that is not taken, and from
 * there on the reply is ended the shortest way.
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
   * Go on by a token of the mask, or by one that ends the reply in time.
   * @param {number} token
   * @returns {number} the token that was taken
   */
  take(token) {
    if (this.stopTokenIds.includes(token)) return token;
    if (!this.ending) {
      const walk = this.walk.push(this.vocabulary.pieces[token]);
      if (walk && this.hasRoom(walk)) {
        this.walk = walk;
        this.left -= 1;
        this.matcher.accept(token);
        return token;
      }
      this.ending = this.vocabulary.cover(this.walk.rest()) ?? []; // checked a step before
    }
    return this.ending.shift() ?? this.stopTokenIds[0];
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
