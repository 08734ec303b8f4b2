/**
 * Writes a grammar for xgrammar, in its EBNF; but strings of any length where the grammar counts their
 * characters: xgrammar makes a mask for every count when it compiles, of 256,000 tokens in 0.2 s each.
 *
 * Source: https://xgrammar.mlc.ai/docs/tutorials/ebnf_guided_generation
 */

/** @import { Grammar, Node, Range } from "./grammar.js" */

import { CHARACTER } from "./strings.js";

const LAST_OF_LENGTH = [0x7f, 0x7ff, 0xffff]; // characters of one, two and three bytes
const utf8 = new TextEncoder();

/**
 * Write a grammar.
 * @param {Grammar} rules
 * @returns {string}
 */
export function toEbnf(rules) {
  return [...rules].map(([name, node]) => `${name} ::= ${write(node)}\n`).join("");
}

/**
 * @param {Node} node
 * @returns {string}
 */
function write(node) {
  switch (node.kind) {
    case "text":
      return `"${Array.from(node.text, escapeText).join("")}"`;
    case "chars":
    case "choice":
      return `(${alternatives(node).join(" | ")})`;
    case "sequence":
      return node.items.length ? `(${node.items.map(write).join(" ")})` : '""';
    case "repeat":
      if (node.item === CHARACTER) return `${write(node.item)}*`;
      return `(${write(node.item)})${count(node.least, node.most)}`;
    case "lexeme":
      return write(node.item);
    case "rule":
      return node.name;
  }
}

/**
 * @param {number} least
 * @param {number} most
 */
function count(least, most) {
  if (least === 0 && most === Infinity) return "*";
  return `{${least},${most === Infinity ? "" : most}}`;
}

/**
 * What a choice is between, without choices in it: xgrammar would make a rule of each, and check all
 * tokens that leave it at every step.
 * @param {Node} node
 * @returns {string[]}
 */
function alternatives(node) {
  if (node.kind === "choice") return node.options.flatMap(alternatives);
  return node.kind === "chars" ? writeChars(node.ranges) : [write(node)];
}

/**
 * Write characters as the bytes of their UTF-8: what xgrammar takes a class beyond ASCII for.
 * @param {Range[]} ranges
 * @returns {string[]} the classes of one, two, three and four bytes
 */
function writeChars(ranges) {
  const ascii = ranges.filter(([first]) => first < 0x80).map(([a, b]) => [a, Math.min(b, 0x7f)]);
  const options = ascii.length ? [`[${ascii.map(writeBytes).join("")}]`] : [];
  for (const [first, last] of ranges) {
    const parts = utf8Ranges(Math.max(first, 0x80), last);
    options.push(...parts.map((bytes) => bytes.map((one) => `[${writeBytes(one)}]`).join(" ")));
  }
  return options;
}

/**
 * Write a range of bytes; a single one twice, as xgrammar takes a class of one for a character.
 * @param {number[]} range
 */
function writeBytes([first, last]) {
  const [low, high] = [escapeCode(first), escapeCode(last)];
  return first === last ? low + low : `${low}-${high}`;
}

/**
 * Cut a range of characters into ranges of each byte.
 * @param {number} first
 * @param {number} last
 * @returns {Range[][]} of every part the ranges of its bytes
 */
function utf8Ranges(first, last) {
  if (first > last) return [];
  for (const cut of LAST_OF_LENGTH) {
    if (first <= cut && cut < last)
      return [...utf8Ranges(first, cut), ...utf8Ranges(cut + 1, last)];
  }
  const length = LAST_OF_LENGTH.filter((cut) => cut < first).length; // in bytes, but for the first
  for (let bits = 6; bits <= 6 * length; bits += 6) {
    const mask = (1 << bits) - 1; // of what the last bytes hold
    if (first >> bits === last >> bits) continue;
    if (first & mask)
      return [...utf8Ranges(first, first | mask), ...utf8Ranges((first | mask) + 1, last)];
    if ((last & mask) !== mask) {
      const cut = (last & ~mask) - 1;
      return [...utf8Ranges(first, cut), ...utf8Ranges(cut + 1, last)];
    }
  }
  const [low, high] = [first, last].map((code) => utf8.encode(String.fromCodePoint(code)));
  return [Array.from(low, (byte, i) => [byte, high[i]])];
}

/** @param {string} char */
function escapeText(char) {
  return /[\w ,:]/.test(char) ? char : escapeCode(/** @type {number} */ (char.codePointAt(0)));
}

/** @param {number} code */
function escapeCode(code) {
  return `\\U${code.toString(16).padStart(8, "0")}`;
}
