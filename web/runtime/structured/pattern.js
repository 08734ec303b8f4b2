/**
 * Simple regular expressions as grammars. The twin of webgemma/structured/pattern.py.
 *
 * Only what JavaScript, Python and Rust read alike: characters, classes, groups, alternatives,
 * repetitions, and anchors at either end. Every text of the grammar matches the pattern.
 */

/** @import { Node, Range } from "./grammar.js" */

import { NOTHING, choice, repeat, sequence, without } from "./grammar.js";
import { CHARACTER, SURROGATES, oneOf, stringNode } from "./strings.js";

const MAX_REPEATS = 1000;
/** What a negated class is taken from: characters that are one for JavaScript too. */
const ALL = without([[0, 0xffff]], [SURROGATES]);
/** What a negated \w, \d or \s is taken from: beyond it languages differ. @type {Range[]} */
const ASCII = [[0x20, 0x7e]];
/** @type {Range[]} */
const LINE_ENDS = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x85, 0x85],
  [0x2028, 0x2029],
];
/** @type {Record<string, Range[]>} */
const NAMED = {
  d: [[0x30, 0x39]],
  w: [
    [0x30, 0x39],
    [0x41, 0x5a],
    [0x5f, 0x5f],
    [0x61, 0x7a],
  ],
  s: [
    [0x09, 0x0a],
    [0x0d, 0x0d],
    [0x20, 0x20],
  ],
};
/** @type {Record<string, number>} */
const CONTROLS = { t: 0x09, n: 0x0a, v: 0x0b, f: 0x0c, r: 0x0d };
/** @type {Record<string, number>} */
const HEX_DIGITS = { x: 2, u: 4 };
const PUNCTUATION = "^$\\.*+?()[]{}|/-";
/** @type {Record<string, [number, number]>} */
const COUNTS = { "*": [0, Infinity], "+": [1, Infinity], "?": [0, 1] };

/** A part of a pattern that is not supported. */
export class PatternError extends Error {}

/**
 * The strings in which a pattern is found.
 * @param {string} pattern
 * @returns {Node}
 */
export function patternNode(pattern) {
  const reader = new Reader(pattern);
  const branches = [reader.anchoredBranch()];
  while (reader.take("|")) branches.push(reader.anchoredBranch());
  if (!reader.atEnd) throw new PatternError(reader.peek);
  return stringNode(choice(branches));
}

/** Reads a pattern from left to right. */
class Reader {
  /** @param {string} pattern */
  constructor(pattern) {
    this.characters = Array.from(pattern);
    this.position = 0;
  }

  get atEnd() {
    return this.position >= this.characters.length;
  }

  get peek() {
    return this.characters[this.position] ?? "";
  }

  /** @param {number} start */
  since(start) {
    return this.characters.slice(start, this.position).join("");
  }

  /** @returns {string} the next character */
  next() {
    if (this.atEnd) throw new PatternError("its end");
    return this.characters[this.position++];
  }

  /**
   * Step over a character, if it comes next.
   * @param {string} char
   */
  take(char) {
    const isNext = this.peek === char;
    if (isNext) this.position++;
    return isNext;
  }

  /** An alternative of the whole pattern: without an anchor anything may stand there. */
  anchoredBranch() {
    const anything = repeat(CHARACTER, 0, Infinity);
    const before = this.take("^") ? NOTHING : anything;
    const body = this.branch();
    const after = this.take("$") ? NOTHING : anything;
    return sequence(before, body, after);
  }

  /** @returns {Node} */
  alternatives() {
    const branches = [this.branch()];
    while (this.take("|")) branches.push(this.branch());
    return choice(branches);
  }

  /** @returns {Node} */
  branch() {
    const parts = [];
    while (!this.atEnd && !"|)$".includes(this.peek)) parts.push(this.repeated());
    return parts.length ? sequence(...parts) : NOTHING;
  }

  /** @returns {Node} */
  repeated() {
    const start = this.position;
    const item = this.atom();
    const [least, most] = this.count();
    this.take("?"); // lazy: the same texts
    if (this.peek && "*+?{".includes(this.peek)) throw new PatternError(this.peek);
    if (least === 1 && most === 1) return item;
    if (mayBeEmpty(item)) throw new PatternError(`${this.since(start)} (repeats an empty text)`);
    return most === 0 ? NOTHING : repeat(item, least, most);
  }

  /** @returns {[least: number, most: number]} */
  count() {
    if (Object.hasOwn(COUNTS, this.peek)) return COUNTS[this.next()];
    if (!this.take("{")) return [1, 1];
    const start = this.position;
    while (this.next() !== "}");
    const written = this.since(start).slice(0, -1);
    const [, first, comma, second] = /^(\d+)(,?)(\d*)$/.exec(written) ?? [];
    const least = Number(first);
    const last = second ? Number(second) : least;
    const isRange = first !== undefined && (comma || !second);
    if (!isRange || Math.max(least, last) > MAX_REPEATS || least > last) {
      throw new PatternError(`{${written}}`);
    }
    return [least, comma && !second ? Infinity : last];
  }

  /** @returns {Node} */
  atom() {
    const char = this.next();
    if (char === "(") return this.group();
    if (char === "[") return oneOf(this.charClass());
    if (char === ".") return oneOf(without(ALL, LINE_ENDS));
    if (char === "\\") return oneOf(this.escape().ranges);
    if ("^*+?{}]".includes(char)) throw new PatternError(char);
    return oneOf(one(codeOf(char)));
  }

  /** @returns {Node} */
  group() {
    if (this.take("?") && !this.take(":")) throw new PatternError(`(?${this.peek}`);
    const node = this.alternatives();
    if (!this.take(")")) throw new PatternError(this.atEnd ? "(" : this.peek);
    return node;
  }

  /**
   * What stands behind a backslash, and whether it is a named class.
   * @returns {{ranges: Range[], isNamed: boolean}}
   */
  escape() {
    const char = this.next();
    if (Object.hasOwn(NAMED, char)) return { ranges: NAMED[char], isNamed: true };
    if (Object.hasOwn(NAMED, char.toLowerCase())) {
      return { ranges: without(ASCII, NAMED[char.toLowerCase()]), isNamed: true };
    }
    if (Object.hasOwn(HEX_DIGITS, char)) {
      const digits = Array.from({ length: HEX_DIGITS[char] }, () => this.next()).join("");
      if (!/^[\da-fA-F]+$/.test(digits)) throw new PatternError(`\\${char}${digits}`);
      return { ranges: one(parseInt(digits, 16)), isNamed: false };
    }
    if (Object.hasOwn(CONTROLS, char)) return { ranges: one(CONTROLS[char]), isNamed: false };
    if (PUNCTUATION.includes(char)) return { ranges: one(codeOf(char)), isNamed: false };
    throw new PatternError(`\\${char}`);
  }

  /**
   * The characters of a class, behind its bracket.
   * @returns {Range[]}
   */
  charClass() {
    const start = this.position - 1;
    const isNegated = this.take("^");
    /** @type {Range[]} */
    let ranges = [];
    let hasNamed = false;
    while (!this.take("]")) {
      let { ranges: part, isNamed } = this.classChar();
      hasNamed ||= isNamed;
      if (!isNamed && this.peek === "-" && this.characters[this.position + 1] !== "]") {
        this.next();
        const end = this.classChar();
        if (end.isNamed || end.ranges[0][0] < part[0][0]) throw new PatternError(this.since(start));
        part = [[part[0][0], end.ranges[0][0]]];
      }
      ranges.push(...part);
    }
    if (isNegated) ranges = without(hasNamed ? ASCII : ALL, ranges);
    const left = without(ranges, [SURROGATES]);
    if (!left.length) throw new PatternError(this.since(start));
    return left;
  }

  /** @returns {{ranges: Range[], isNamed: boolean}} */
  classChar() {
    const char = this.next();
    if (char === "\\") return this.escape();
    if (char === "[") throw new PatternError("[[");
    return { ranges: one(codeOf(char)), isNamed: false };
  }
}

/** @type {(char: string) => number} */
const codeOf = (char) => /** @type {number} */ (char.codePointAt(0));

/**
 * One character; half of one, which no string has, is refused.
 * @param {number} code
 * @returns {Range[]}
 */
function one(code) {
  if (SURROGATES[0] <= code && code <= SURROGATES[1]) {
    throw new PatternError(`\\u${code.toString(16)}`);
  }
  return [[code, code]];
}

/**
 * Whether a node's text may have no characters.
 * @param {Node} node
 * @returns {boolean}
 */
function mayBeEmpty(node) {
  if (node.kind === "text") return node.text === "";
  if (node.kind === "repeat") return node.least === 0 || mayBeEmpty(node.item);
  if (node.kind === "sequence") return node.items.every(mayBeEmpty);
  if (node.kind === "choice") return node.options.some(mayBeEmpty);
  return false;
}
