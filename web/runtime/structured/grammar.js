/**
 * Grammars of what a reply may be, as data. The twin of webgemma/structured/grammar.py.
 *
 * A grammar speaks of characters, not of tokens. It is written out for a library, which knows what
 * tokens it allows (`ebnf.js`), and walked for the shortest way to its end (`walk.js`).
 */

/** @typedef {[first: number, last: number]} Range code points in a row */
/** @typedef {{kind: "text", text: string}} Text these characters */
/** @typedef {{kind: "chars", ranges: Range[]}} Chars one character of ranges, in order and apart */
/** @typedef {{kind: "sequence", items: Node[]}} Sequence one after the other */
/** @typedef {{kind: "choice", options: Node[]}} Choice one of several */
/**
 * Something that is not empty, at least and at most so many times.
 * @typedef {{kind: "repeat", item: Node, least: number, most: number}} Repeat
 */
/** @typedef {{kind: "lexeme", item: Node}} Lexeme a string or number as one piece, without rules */
/** @typedef {{kind: "rule", name: string}} Rule what a rule says */
/** @typedef {Text | Chars | Sequence | Choice | Repeat | Lexeme | Rule} Node */
/** @typedef {Map<string, Node>} Grammar rules by name; a text of it is one of the rule "root" */

export const ROOT = "root";

/** @type {(text: string) => Text} */
export const text = (text) => ({ kind: "text", text });
/** @type {(item: Node, least: number, most: number) => Repeat} */
export const repeat = (item, least, most) => ({ kind: "repeat", item, least, most });
/** @type {(item: Node) => Lexeme} */
export const lexeme = (item) => ({ kind: "lexeme", item });
/** @type {(name: string) => Rule} */
export const rule = (name) => ({ kind: "rule", name });
/** @type {(item: Node) => Repeat} something or nothing */
export const optional = (item) => repeat(item, 0, 1);

/** @type {Chars} */
export const DIGITS = { kind: "chars", ranges: [[0x30, 0x39]] };
export const NOTHING = text("");

/**
 * One after the other; texts in a row are one.
 * @param {Node[]} items
 * @returns {Node}
 */
export function sequence(...items) {
  /** @type {Node[]} */
  const flat = [];
  for (const part of items.flatMap((item) => (item.kind === "sequence" ? item.items : [item]))) {
    const last = flat.at(-1);
    if (part.kind === "text" && last?.kind === "text") {
      flat[flat.length - 1] = text(last.text + part.text);
    } else if (!isNothing(part)) flat.push(part);
  }
  return flat.length === 1 ? flat[0] : { kind: "sequence", items: flat };
}

/**
 * One of several, of which there is one at least.
 * @param {Node[]} options
 * @returns {Node}
 */
export function choice(options) {
  const distinct = [...new Map(options.map((option) => [JSON.stringify(option), option])).values()];
  return distinct.length === 1 ? distinct[0] : { kind: "choice", options: distinct };
}

/**
 * Whether a node is the empty text.
 * @param {Node} node
 */
export function isNothing(node) {
  return node.kind === "text" && node.text === "";
}

/**
 * One of these characters.
 * @param {string} characters
 * @returns {Chars}
 */
export function chars(characters) {
  const codes = Array.from(characters, (char) => /** @type {number} */ (char.codePointAt(0)));
  return { kind: "chars", ranges: joinRanges(codes.map((code) => [code, code])) };
}

/**
 * Put ranges in order, and those that touch together.
 * @param {Range[]} ranges
 * @returns {Range[]}
 */
export function joinRanges(ranges) {
  /** @type {Range[]} */
  const joined = [];
  for (const [first, last] of [...ranges].sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    const before = joined.at(-1);
    if (before && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else joined.push([first, last]);
  }
  return joined;
}

/**
 * What is left of ranges without others.
 * @param {Range[]} ranges
 * @param {Range[]} removed
 * @returns {Range[]}
 */
export function without(ranges, removed) {
  let left = ranges;
  for (const [first, last] of removed) {
    left = left.flatMap(([start, end]) => {
      /** @type {Range[]} */
      const parts = [
        [start, Math.min(end, first - 1)],
        [Math.max(start, last + 1), end],
      ];
      return parts.filter((part) => part[0] <= part[1]);
    });
  }
  return joinRanges(left);
}

/**
 * The shortest text of every rule that has one, in bytes of UTF-8; the first of several.
 * @param {Grammar} rules
 * @returns {Map<string, string>}
 */
export function shortestTexts(rules) {
  /** @type {Map<string, string>} */
  const found = new Map();
  for (let isChanged = true; isChanged;) {
    isChanged = false;
    for (const [name, node] of rules) {
      const shortest = shortestText(node, found);
      const known = found.get(name);
      if (shortest === null || (known !== undefined && nbytes(shortest) >= nbytes(known))) continue;
      found.set(name, shortest);
      isChanged = true;
    }
  }
  return found;
}

/**
 * The shortest text of a node; null if it has none.
 * @param {Node} node
 * @param {Map<string, string>} rules what is known of the rules' shortest texts
 * @returns {string | null}
 */
export function shortestText(node, rules) {
  switch (node.kind) {
    case "text":
      return node.text;
    case "chars":
      return String.fromCodePoint(node.ranges[0][0]);
    case "sequence": {
      const parts = node.items.map((item) => shortestText(item, rules));
      return parts.includes(null) ? null : parts.join("");
    }
    case "choice": {
      /** @type {string | null} */
      let best = null;
      for (const option of node.options) {
        const shortest = shortestText(option, rules);
        if (shortest === null) continue;
        if (best === null || nbytes(shortest) < nbytes(best)) best = shortest;
      }
      return best;
    }
    case "repeat":
      return (node.least ? shortestText(node.item, rules) : "")?.repeat(node.least) ?? null;
    case "lexeme":
      return shortestText(node.item, rules);
    case "rule":
      return rules.get(node.name) ?? null;
  }
}

const utf8 = new TextEncoder();

/**
 * Bytes of a text in UTF-8.
 * @param {string} characters
 */
export function nbytes(characters) {
  return utf8.encode(characters).length;
}
