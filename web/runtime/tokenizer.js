/**
 * The tokenizer at run time: text to ids and back. The twin of webgemma/tokenizer/encode.py.
 */
import { BpeEncoder } from "./bpe.js";
import { ConfigError, FormatError } from "./errors.js";
import { ByteWords, isByteLevel } from "./words.js";

const SPACE = "\u2581";
const BYTE_PIECE = /^<0x([0-9A-F]{2})>$/;
const LONE_SURROGATES = /\p{Surrogate}/gu;

/** @typedef {{ id: number, content: string, special: boolean, normalized: boolean }} AddedToken */

/** Encodes and decodes with one tokenizer.json; control tokens are never found in a text. */
export class Tokenizer {
  /** @param {any} document a parsed tokenizer.json; `fromJson` is the way in */
  constructor(document) {
    this.prefix = hasSpacePrefix(document) ? SPACE : "";
    /** @type {Map<string, number>} */
    this.ids = new Map();
    for (const piece in document.model.vocab) this.ids.set(piece, document.model.vocab[piece]);
    this.bpe = new BpeEncoder(document.model, this.ids);
    this.words = isByteLevel(document) ? new ByteWords(document) : null;
    /** @type {AddedToken[]} */
    const added = document.added_tokens;
    for (const token of added) this.ids.set(token.content, token.id);
    this.control = new FixedPieces(added.filter((token) => token.special));
    this.controlTokenIds = new Set(this.control.ids.values());
    this.addedIds = new Set(added.map((token) => token.id));
    // User-defined pieces are looked for before or after spaces become U+2581.
    const userDefined = added.filter((token) => !token.special);
    this.rawPieces = new FixedPieces(userDefined.filter((token) => !token.normalized));
    this.normalizedPieces = new FixedPieces(
      userDefined
        .filter((token) => token.normalized)
        .map((token) => ({ ...token, content: this.normalize(token.content) })),
    );
    /** @type {string[]} */
    this.pieces = new Array(this.ids.size);
    for (const [piece, id] of this.ids) this.pieces[id] = piece;
    this.hasBytes = Boolean(document.model.byte_fallback);
    this.utf8 = new TextEncoder();
  }

  /**
   * Load a tokenizer.json that the build has written.
   * @param {string | object} source its text, or the parsed object
   */
  static fromJson(source) {
    try {
      return new Tokenizer(typeof source === "string" ? JSON.parse(source) : source);
    } catch (error) {
      throw new FormatError(`tokenizer.json: ${error}. Build the site again.`, { cause: error });
    }
  }

  /** The number of pieces; ids are 0 to vocabSize - 1. */
  get vocabSize() {
    return this.pieces.length;
  }

  /** Whether encoding puts a space before the text, which decoding takes away again. */
  get hasSpacePrefix() {
    return this.prefix !== "";
  }

  /**
   * Look up the id of a piece as it stands in the vocabulary (spaces as U+2581).
   * @param {string} piece
   * @returns {number | null}
   */
  tokenId(piece) {
    return this.ids.get(piece) ?? null;
  }

  /**
   * The piece with an id.
   * @param {number} tokenId
   */
  piece(tokenId) {
    const piece = this.pieces[tokenId];
    if (piece === undefined) {
      throw new ConfigError(
        `token id ${tokenId}: expected 0 to ${this.vocabSize - 1}. ` +
          "Use ids of this model's tokenizer.",
      );
    }
    return piece;
  }

  /**
   * Encode a text; no BOS is added, and control tokens in the text stay text.
   * Lone surrogates, which no UTF-8 text holds, count as U+FFFD.
   * @param {string} text
   * @returns {number[]}
   */
  encode(text) {
    if (text === "") return [];
    const clean = this.prefix + text.replace(LONE_SURROGATES, "\ufffd");
    /** @type {number[][]} */
    const parts = [];
    for (const part of this.rawPieces.split(clean)) {
      const split =
        typeof part === "number" ? [part] : this.normalizedPieces.split(this.normalize(part));
      for (const piece of split) {
        if (typeof piece === "number") parts.push([piece]);
        else for (const ids of this.encodeWords(piece)) parts.push(ids);
      }
    }
    return parts.flat();
  }

  /**
   * What is done to a text before its pieces are looked for.
   * @param {string} text
   */
  normalize(text) {
    return this.words ? this.words.normalize(text) : text.replaceAll(" ", SPACE);
  }

  /**
   * Encode a normalized text: word by word, or all of it as one.
   * @param {string} text
   * @returns {number[][]}
   */
  encodeWords(text) {
    const words = this.words ? this.words.split(text) : [text];
    return words.map((word) => this.bpe.encode(word));
  }

  /**
   * Encode texts between ids; adjacent texts are joined before they are encoded.
   * @param {(number | string)[]} segments
   * @returns {number[]}
   */
  encodeSegments(segments) {
    /** @type {number[][]} */
    const parts = [];
    let text = "";
    for (const segment of segments) {
      if (typeof segment === "string") {
        text += segment;
      } else {
        this.piece(segment);
        parts.push(this.encode(text), [segment]);
        text = "";
      }
    }
    parts.push(this.encode(text));
    return parts.flat();
  }

  /**
   * Cut a trusted text, such as a chat template's, at its control tokens.
   * @param {string} text
   * @returns {(number | string)[]} ids of control tokens and the non-empty texts between them
   */
  splitControl(text) {
    return this.control.split(text);
  }

  /**
   * Decode ids to text; bytes that are not UTF-8 become U+FFFD.
   * @param {Iterable<number>} ids
   * @param {{ skipControl?: boolean }} [options]
   */
  decode(ids, { skipControl = true } = {}) {
    const stream = new StreamDecoder(this, { skipControl });
    let text = "";
    for (const tokenId of ids) text += stream.push(tokenId);
    return text + stream.finish();
  }

  /**
   * The UTF-8 bytes that a piece stands for, with spaces for U+2581.
   * @param {number} tokenId
   */
  pieceBytes(tokenId) {
    const piece = this.piece(tokenId);
    if (this.words) {
      return this.addedIds.has(tokenId) ? this.utf8.encode(piece) : this.words.pieceBytes(piece);
    }
    const byte = this.hasBytes ? BYTE_PIECE.exec(piece) : null;
    if (byte) return new Uint8Array([parseInt(byte[1], 16)]);
    return this.utf8.encode(piece.replaceAll(SPACE, " "));
  }
}

/**
 * Decodes ids one by one; what the pushes return joins to what `Tokenizer.decode` returns.
 * Bytes of a character that is not complete yet are held back.
 */
export class StreamDecoder {
  /**
   * Start a new text.
   * @param {Tokenizer} tokenizer
   * @param {{ skipControl?: boolean }} [options]
   */
  constructor(tokenizer, { skipControl = true } = {}) {
    this.tokenizer = tokenizer;
    this.skipControl = skipControl;
    // Without ignoreBOM the decoder would swallow a U+FEFF at the start.
    this.utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
    this.stripSpace = tokenizer.hasSpacePrefix;
  }

  /**
   * Add one id; return the text that is certain now, possibly none.
   * @param {number} tokenId
   */
  push(tokenId) {
    let content = this.tokenizer.pieceBytes(tokenId);
    if (this.tokenizer.controlTokenIds.has(tokenId)) {
      return this.skipControl ? "" : this.utf8.decode(content, { stream: true });
    }
    if (this.stripSpace) {
      if (content[0] === 0x20) content = content.subarray(1);
      this.stripSpace = false;
    }
    return this.utf8.decode(content, { stream: true });
  }

  /** End the text: an incomplete character becomes U+FFFD. */
  finish() {
    return this.utf8.decode();
  }
}

/** @param {any} document a parsed tokenizer.json */
function hasSpacePrefix(document) {
  const normalizer = document.normalizer ?? {};
  const steps = [normalizer, ...(normalizer.normalizers ?? [])];
  return steps.some((step) => step.type === "Prepend" && step.prepend === SPACE);
}

/** Pieces that are found in a text before anything else: leftmost first, the longest of several. */
class FixedPieces {
  /** @param {AddedToken[]} tokens */
  constructor(tokens) {
    /** @type {Map<string, number>} */
    this.ids = new Map(tokens.map((token) => [token.content, token.id]));
    const longestFirst = [...this.ids.keys()].sort((a, b) => b.length - a.length);
    const escaped = longestFirst.map((piece) => piece.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&"));
    this.pattern = new RegExp(escaped.join("|") || "(?!)", "gu");
  }

  /**
   * Cut a text at its fixed pieces.
   * @param {string} text
   * @returns {(number | string)[]} ids of the pieces and the non-empty texts between them
   */
  split(text) {
    /** @type {(number | string)[]} */
    const segments = [];
    let start = 0;
    for (const match of text.matchAll(this.pattern)) {
      if (match.index > start) segments.push(text.slice(start, match.index));
      segments.push(/** @type {number} */ (this.ids.get(match[0])));
      start = match.index + match[0].length;
    }
    if (start < text.length) segments.push(text.slice(start));
    return segments;
  }
}
