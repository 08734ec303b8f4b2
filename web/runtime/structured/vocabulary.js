/** What a model's tokens stand for, as bytes. The twin of webgemma/structured/vocabulary.py. */

/** @import { Tokenizer } from "../tokenizer.js" */

/** The bytes of every token, and tokens for bytes. */
export class Vocabulary {
  /**
   * Read a tokenizer's pieces; control tokens stand for no bytes.
   * @param {Tokenizer} tokenizer
   */
  constructor(tokenizer) {
    const { controlTokenIds: control, vocabSize } = tokenizer;
    /** [vocab_size] */
    this.pieces = Array.from({ length: vocabSize }, (_, token) =>
      control.has(token) ? new Uint8Array() : tokenizer.pieceBytes(token),
    );
    /** @type {Map<string, number>} bytes as characters -> token */
    this.tokens = new Map();
    this.longest = 0;
    for (const [token, piece] of this.pieces.entries()) {
      if (piece.length) this.tokens.set(String.fromCharCode(...piece), token);
      this.longest = Math.max(this.longest, piece.length);
    }
  }

  /**
   * Tokens whose bytes are these, the longest first; null if there are none.
   * @param {Uint8Array} bytes
   * @returns {number[] | null}
   */
  cover(bytes) {
    const characters = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
    const tokens = [];
    for (let start = 0; start < bytes.length;) {
      let end = Math.min(bytes.length, start + this.longest);
      while (end > start && !this.tokens.has(characters.slice(start, end))) end--;
      const token = this.tokens.get(characters.slice(start, end));
      if (token === undefined) return null;
      tokens.push(token);
      start = end;
    }
    return tokens;
  }
}
