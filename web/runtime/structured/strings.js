/** Strings of JSON as grammars. The twin of webgemma/structured/strings.py. */

/** @import { Chars, Node, Range } from "./grammar.js" */

import { chars, choice, joinRanges, lexeme, repeat, sequence, text, without } from "./grammar.js";

/** @type {Range} */
const CONTROL = [0x00, 0x1f];
/** @type {Range} */
export const SURROGATES = [0xd800, 0xdfff];
/** What stands in a string behind a backslash, or not at all. @type {Range[]} */
const QUOTED = [CONTROL, [0x22, 0x22], [0x5c, 0x5c], SURROGATES];
/** A character that stands for itself. @type {Chars} */
const PLAIN = { kind: "chars", ranges: without([[0, 0x10ffff]], QUOTED) };
/** @type {Chars} */
const HEX = {
  kind: "chars",
  ranges: joinRanges([
    [0x30, 0x39],
    [0x41, 0x46],
    [0x61, 0x66],
  ]),
};
/** One character of a string, however it is written. */
export const CHARACTER = choice([
  PLAIN,
  sequence(text("\\"), chars('"\\/bfnrt')),
  // \ud800 to \udfff are halves of characters: they count as two, or as none.
  sequence(text("\\u"), chars("0123456789abcefABCEF"), repeat(HEX, 3, 3)),
  sequence(text("\\u"), chars("dD"), chars("01234567"), repeat(HEX, 2, 2)),
]);

/**
 * A string with this content.
 * @param {Node} content
 * @returns {Node}
 */
export function stringNode(content) {
  return lexeme(sequence(text('"'), content, text('"')));
}

export const STRING = stringNode(repeat(CHARACTER, 0, Infinity));

/**
 * One of these characters, as it is written in a string.
 * @param {Range[]} ranges
 * @returns {Node}
 */
export function oneOf(ranges) {
  const plain = without(ranges, QUOTED);
  const isOne = plain.length === 1 && plain[0][0] === plain[0][1];
  /** @type {Node[]} */
  const options = [];
  if (isOne) options.push(text(String.fromCodePoint(plain[0][0])));
  else if (plain.length) options.push({ kind: "chars", ranges: plain });
  const codes = [0x22, 0x5c, ...Array(CONTROL[1] + 1).keys()];
  for (const code of codes) {
    if (!ranges.some(([first, last]) => first <= code && code <= last)) continue;
    options.push(text(JSON.stringify(String.fromCodePoint(code)).slice(1, -1)));
  }
  return choice(options);
}

/**
 * The key of a property that is none of these, without backslashes in it.
 * @param {string[]} names
 * @returns {Node}
 */
export function otherKey(names) {
  const unescaped = names.filter((name) => JSON.stringify(name) === `"${name}"`);
  const characters = unescaped.map((name) => Array.from(name));
  return lexeme(sequence(text('"'), otherText(characters), text('": ')));
}

/**
 * Texts of plain characters that are none of `names`.
 * @param {string[][]} names
 * @returns {Node}
 */
function otherText(names) {
  /** @type {Map<string, string[][]>} */
  const endings = new Map();
  for (const [char, ...rest] of names) {
    if (char !== undefined) endings.set(char, [...(endings.get(char) ?? []), rest]);
  }
  const taken = chars([...endings.keys()].join("")).ranges;
  /** @type {Chars} */
  const free = { kind: "chars", ranges: without(PLAIN.ranges, taken) };
  const options = [...endings].map(([char, rest]) => sequence(text(char), otherText(rest)));
  options.push(sequence(free, repeat(PLAIN, 0, Infinity)));
  if (names.every((name) => name.length)) options.push(text(""));
  return choice(options);
}
