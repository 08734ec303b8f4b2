/**
 * Matchers by xgrammar, which a site has only if it was built with --structured-output. It is loaded
 * when the first reply wants it: a module of 1.1 MB, most of it WebAssembly.
 */

/** @import { Tokenizer } from "../tokenizer.js" */

import { ConfigError, WebGemmaError } from "../errors.js";
import { byteCharacters } from "../words.js";
import { Constraint } from "./constraint.js";
import { toEbnf } from "./ebnf.js";
import { schemaGrammar } from "./schema.js";
import { Vocabulary } from "./vocabulary.js";

const LIBRARY = "../../vendor/xgrammar.js";

/**
 * What is used of xgrammar; see its lib/xgrammar.d.ts.
 * @typedef {object} Library
 * @property {{createTokenizerInfo(pieces: string[], kind: "byte_level", prependSpace: boolean,
 *   vocabSize: number, stopTokenIds: number[]): Promise<Owned>}} TokenizerInfo
 * @property {{createGrammarCompiler(info: Owned, isCaching: boolean): Promise<Compiler>}} GrammarCompiler
 * @property {{createGrammarMatcher(grammar: Owned): Promise<LibraryMatcher>}} GrammarMatcher
 */
/** @typedef {{dispose(): void}} Owned */
/** @typedef {Owned & {compileGrammar(ebnf: string): Promise<Owned>}} Compiler */
/**
 * @typedef {Owned & {
 *   getNextTokenBitmask(): Promise<Int32Array>, acceptToken(token: number): boolean,
 * }} LibraryMatcher
 */

/** Makes constraints for one model; its vocabulary is prepared once, when first needed. */
export class Constrainer {
  /**
   * Remember a model's tokens.
   * @param {Tokenizer} tokenizer
   * @param {number[]} stopTokenIds
   * @param {number} vocabSize that of its logits
   */
  constructor(tokenizer, stopTokenIds, vocabSize) {
    this.vocabulary = new Vocabulary(tokenizer);
    this.stopTokenIds = stopTokenIds;
    this.vocabSize = vocabSize;
    /** @type {Promise<Compiler> | null} */
    this.compiler = null;
    /** @type {{ebnf: string, grammar: Owned} | null} of the reply before, which is often asked for again */
    this.compiled = null;
  }

  /**
   * Begin a reply of at most `limit` tokens that is a value of a schema.
   * @param {object} schema
   * @param {number} limit
   * @returns {Promise<Constraint>}
   */
  async constraint(schema, limit) {
    const grammar = schemaGrammar(schema);
    if (!this.stopTokenIds.length) {
      throw new ConfigError("response_format: the model has no stop token. Ask for plain text.");
    }
    const library = await loadLibrary();
    const compiled = await this.compile(library, toEbnf(grammar));
    const matcher = new Matcher(await library.GrammarMatcher.createGrammarMatcher(compiled));
    try {
      return new Constraint(grammar, matcher, this.vocabulary, this.stopTokenIds, limit);
    } catch (error) {
      matcher.destroy();
      throw error;
    }
  }

  /**
   * @param {Library} library
   * @param {string} ebnf
   * @returns {Promise<Owned>}
   */
  async compile(library, ebnf) {
    if (this.compiled?.ebnf === ebnf) return this.compiled.grammar;
    this.compiler ??= this.prepare(library);
    const compiler = await this.compiler;
    this.compiled?.grammar.dispose();
    this.compiled = null;
    this.compiled = { ebnf, grammar: await compiler.compileGrammar(ebnf) };
    return this.compiled.grammar;
  }

  /**
   * Give the library the vocabulary, as byte-level BPE has it: any bytes can be written so.
   * @param {Library} library
   * @returns {Promise<Compiler>}
   */
  async prepare({ TokenizerInfo, GrammarCompiler }) {
    const characters = byteCharacters();
    const pieces = this.vocabulary.pieces.map((piece) =>
      Array.from(piece, (byte) => characters[byte]).join(""),
    );
    const { vocabSize, stopTokenIds } = this;
    const info = await TokenizerInfo.createTokenizerInfo(
      pieces,
      "byte_level",
      false,
      vocabSize,
      stopTokenIds,
    );
    return GrammarCompiler.createGrammarCompiler(info, false);
  }
}

/** @returns {Promise<Library>} */
async function loadLibrary() {
  await import(LIBRARY); // a script of the old kind: it leaves a global
  return /** @type {{xgrammar: Library}} */ (/** @type {unknown} */ (globalThis)).xgrammar;
}

/** One text on its way through xgrammar. */
class Matcher {
  /** @param {LibraryMatcher} matcher */
  constructor(matcher) {
    this.matcher = matcher;
  }

  async mask() {
    const words = await this.matcher.getNextTokenBitmask();
    return new Uint32Array(words.buffer, words.byteOffset, words.length);
  }

  /** @param {number} token */
  accept(token) {
    if (this.matcher.acceptToken(token)) return;
    throw new WebGemmaError(`response_format: xgrammar refuses token ${token}, which it allowed.`);
  }

  destroy() {
    this.matcher.dispose();
  }
}
