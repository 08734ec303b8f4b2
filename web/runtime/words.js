/**
 * Byte-level BPE's way from a text to words of byte characters, and back; as webgemma/tokenizer/byte_level.py.
 */

/** What `\s` and `\S` of a tokenizer.json are: JavaScript's own differ at U+0085 and U+FEFF. */
const SPACE = "\\p{White_Space}";
const NO_SPACE = "\\P{White_Space}";
const CASELESS = /\(\?i:([^()]*)\)/g;

/** Cuts texts as a byte-level tokenizer.json says. */
export class ByteWords {
  /** @param {any} document a parsed tokenizer.json; `isByteLevel` of it is true */
  constructor(document) {
    this.composes = document.normalizer?.type === "NFC";
    /** @type {RegExp[]} */
    this.patterns = document.pre_tokenizer.pretokenizers
      .filter((/** @type {any} */ step) => step.type === "Split")
      .map((/** @type {any} */ step) => toRegExp(step.pattern.Regex));
    this.utf8 = new TextEncoder();
    this.characters = byteCharacters();
    this.bytes = new Map(this.characters.map((character, byte) => [character, byte]));
  }

  /**
   * Compose a text's characters, if the family does.
   * @param {string} text
   */
  normalize(text) {
    return this.composes ? text.normalize("NFC") : text;
  }

  /**
   * Cut a normalized text into words, each a string of one character per byte.
   * @param {string} text
   * @returns {string[]}
   */
  split(text) {
    let words = [text];
    for (const pattern of this.patterns) words = words.flatMap((word) => isolate(word, pattern));
    return words.map((word) =>
      Array.from(this.utf8.encode(word), (byte) => this.characters[byte]).join(""),
    );
  }

  /**
   * The bytes of a piece; one with a character that stands for none is its own text.
   * @param {string} piece
   */
  pieceBytes(piece) {
    const bytes = Array.from(piece, (character) => this.bytes.get(character) ?? -1);
    return bytes.includes(-1) ? this.utf8.encode(piece) : new Uint8Array(bytes);
  }
}

/** @param {any} document a parsed tokenizer.json */
export function isByteLevel(document) {
  const steps = document.pre_tokenizer?.pretokenizers ?? [];
  return steps.at(-1)?.type === "ByteLevel";
}

/**
 * A pattern of tokenizer.json, which is in Oniguruma's syntax, as JavaScript's. The build lets
 * pass only patterns for which this is right.
 * @param {string} pattern
 */
function toRegExp(pattern) {
  const translated = pattern
    .replace(CASELESS, (_, inner) => `(?:${inner.replace(/[a-z]/g, anyCase)})`)
    .replaceAll("\\s", SPACE)
    .replaceAll("\\S", NO_SPACE);
  return new RegExp(translated, "gu");
}

/** @param {string} letter */
function anyCase(letter) {
  const others = letter === "s" ? "\u017f" : ""; // the long s is an s, too
  return `[${letter}${letter.toUpperCase()}${others}]`;
}

/**
 * Cut a text into what a pattern matches and what lies between.
 * @param {string} text
 * @param {RegExp} pattern
 * @returns {string[]}
 */
function isolate(text, pattern) {
  const words = [];
  let start = 0;
  for (const match of text.matchAll(pattern)) {
    if (match.index > start) words.push(text.slice(start, match.index));
    if (match[0] !== "") words.push(match[0]);
    start = match.index + match[0].length;
  }
  if (start < text.length) words.push(text.slice(start));
  return words;
}

/** The character of every byte: printable ones stand for themselves, the others for 256 and up. */
export function byteCharacters() {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCharCode(isPrintable ? byte : next++);
  });
}
