/**
 * Where a text stands in a grammar, and the shortest way from there to its end.
 *
 * The twin of webgemma/structured/walk.py. Libraries say which token may come next, but not how many
 * it takes to finish; a reply must know, or it is cut off where its tokens run out.
 */

/** @import { Grammar, Node, Range } from "./grammar.js" */

import { ROOT, isNothing, nbytes, shortestText, shortestTexts } from "./grammar.js";

/** First bytes below -> bytes of the character, if they begin one. */
const UTF8_LENGTHS = [
  [0xc0, 1],
  [0xe0, 2],
  [0xf0, 3],
  [0xf8, 4],
];
const SMALLEST = [0, 0, 0x80, 0x800, 0x10000]; // character of so many bytes

/**
 * What has to be written, one after the other.
 * @typedef {object} Stack
 * @property {Node} node
 * @property {number} done of a text: characters; of a sequence or repetition: items
 * @property {Stack | null} below
 * @property {number} restNbytes of the shortest text that does it all
 * @property {number} id
 */
/** @typedef {(Stack | null)[]} Stacks what may come; null among them: the text may end */

/** The stacks of one grammar. Equal ones are one object, so sets of them stay small. */
class Paths {
  /** @param {Grammar} rules */
  constructor(rules) {
    this.rules = rules;
    this.shortest = shortestTexts(rules);
    /** @type {Map<Node, string>} */
    this.texts = new Map();
    /** @type {Map<Node, Map<string, Stack>>} */
    this.stacks = new Map();
    this.count = 0;
  }

  /**
   * The shortest text of a node.
   * @param {Node} node
   * @returns {string}
   */
  text(node) {
    let text = this.texts.get(node);
    if (text === undefined) {
      text = /** @type {string} */ (shortestText(node, this.shortest)); // checkReferences: there is one
      this.texts.set(node, text);
    }
    return text;
  }

  /**
   * Put something on a stack.
   * @param {Node} node
   * @param {number} done
   * @param {Stack | null} below
   * @returns {Stack}
   */
  stack(node, done, below) {
    let known = this.stacks.get(node);
    if (!known) this.stacks.set(node, (known = new Map()));
    const key = `${done} ${below?.id}`;
    let stack = known.get(key);
    if (!stack) {
      const restNbytes = nbytes(this.restOf(node, done)) + (below?.restNbytes ?? 0);
      stack = { node, done, below, restNbytes, id: this.count++ };
      known.set(key, stack);
    }
    return stack;
  }

  /**
   * The shortest text of what is left of a node.
   * @param {Node} node
   * @param {number} done
   * @returns {string}
   */
  restOf(node, done) {
    if (node.kind === "text") return node.text.slice(done);
    if (node.kind === "sequence") {
      return node.items.slice(done).reduce((rest, item) => rest + this.text(item), "");
    }
    if (node.kind === "repeat") return this.text(node.item).repeat(Math.max(node.least - done, 0));
    return this.text(node);
  }

  /**
   * Add the stacks that begin with a character of `node`; null where the text may end.
   * @param {Node} node
   * @param {Stack | null} below
   * @param {Set<Stack | null>} found
   */
  expand(node, below, found) {
    switch (node.kind) {
      case "text":
      case "chars":
        if (isNothing(node)) this.resume(below, found);
        else found.add(this.stack(node, 0, below));
        break;
      case "sequence":
      case "repeat":
        this.resume(
          node.kind === "sequence" && !node.items.length ? below : this.stack(node, 0, below),
          found,
        );
        break;
      case "choice":
        for (const option of node.options) this.expand(option, below, found);
        break;
      case "lexeme":
        this.expand(node.item, below, found);
        break;
      case "rule":
        this.expand(/** @type {Node} */ (this.rules.get(node.name)), below, found);
    }
  }

  /**
   * Add what comes when the top of a stack goes on.
   * @param {Stack | null} stack
   * @param {Set<Stack | null>} found
   */
  resume(stack, found) {
    if (!stack) {
      found.add(null);
      return;
    }
    const { node, done, below } = stack;
    if (node.kind === "sequence") {
      const isLast = done + 1 === node.items.length;
      this.expand(node.items[done], isLast ? below : this.stack(node, done + 1, below), found);
    } else if (node.kind === "repeat") {
      if (done < node.most) {
        const count = node.most === Infinity ? Math.min(done + 1, node.least) : done + 1;
        this.expand(node.item, this.stack(node, count, below), found);
      }
      if (done >= node.least) this.resume(below, found);
    }
  }

  /**
   * What comes when a character is written.
   * @param {Stacks} stacks
   * @param {number} code
   * @returns {Stacks}
   */
  step(stacks, code) {
    /** @type {Set<Stack | null>} */
    const found = new Set();
    for (const stack of stacks) {
      if (!stack || !rangesOf(stack).some(([first, last]) => first <= code && code <= last))
        continue;
      const { node, done, below } = stack;
      const after = done + (code > 0xffff ? 2 : 1);
      if (node.kind === "text" && after < node.text.length)
        found.add(this.stack(node, after, below));
      else this.resume(below, found);
    }
    return [...found];
  }
}

/** Where a text stands. */
export class Walk {
  /**
   * @param {Paths} paths
   * @param {Stacks} stacks
   * @param {number[]} pending the first bytes of a character
   */
  constructor(paths, stacks, pending) {
    this.paths = paths;
    this.stacks = stacks;
    this.pending = pending;
  }

  /**
   * The beginning of a text.
   * @param {Grammar} grammar
   */
  static start(grammar) {
    const paths = new Paths(grammar);
    /** @type {Set<Stack | null>} */
    const found = new Set();
    paths.expand(/** @type {Node} */ (grammar.get(ROOT)), null, found);
    return new Walk(paths, [...found], []);
  }

  /** Whether the text is one of the grammar. */
  get mayEnd() {
    return this.stacks.includes(null) && !this.pending.length;
  }

  /**
   * Go on by some bytes; null if no text of the grammar goes on so.
   * @param {Iterable<number>} bytes
   * @returns {Walk | null}
   */
  push(bytes) {
    let { stacks } = this;
    let pending = [...this.pending];
    for (const byte of bytes) {
      if (pending.length && (byte & 0xc0) !== 0x80) return null;
      pending.push(byte);
      if (pending.length < utf8Length(pending[0])) continue;
      const [low, high] = begunRange(pending);
      stacks = low === high ? this.paths.step(stacks, low) : [];
      if (!stacks.length) return null;
      pending = [];
    }
    if (pending.length && !characters(stacks, pending).length) return null;
    return new Walk(this.paths, stacks, pending);
  }

  /**
   * The shortest bytes that end the text.
   * @returns {Uint8Array}
   */
  rest() {
    const utf8 = new TextEncoder();
    if (this.pending.length) {
      const code = Math.min(...characters(this.stacks, this.pending));
      const bytes = utf8.encode(String.fromCodePoint(code)).subarray(this.pending.length);
      const walk = /** @type {Walk} */ (this.push(bytes)); // one of those that may come
      return Uint8Array.from([...bytes, ...walk.rest()]);
    }
    const best = this.stacks.reduce((a, b) =>
      (b?.restNbytes ?? 0) < (a?.restNbytes ?? 0) ? b : a,
    );
    let text = "";
    for (let stack = best; stack; stack = stack.below) {
      text += this.paths.restOf(stack.node, stack.done);
    }
    return utf8.encode(text);
  }

  /** How many bytes `rest` has. */
  get restNbytes() {
    if (this.pending.length) return this.rest().length;
    return Math.min(...this.stacks.map((stack) => stack?.restNbytes ?? 0));
  }
}

/**
 * The characters that may come next.
 * @param {Stack} stack
 * @returns {Range[]}
 */
function rangesOf({ node, done }) {
  if (node.kind === "chars") return node.ranges;
  const code = node.kind === "text" ? node.text.codePointAt(done) : undefined; // others are expanded
  return code === undefined ? [] : [[code, code]];
}

/**
 * Of every range of characters that may come the first whose UTF-8 begins so.
 * @param {Stacks} stacks
 * @param {number[]} begun
 * @returns {number[]}
 */
function characters(stacks, begun) {
  const [low, high] = begunRange(begun);
  return stacks
    .flatMap((stack) => (stack ? rangesOf(stack) : []))
    .filter(([first, last]) => Math.max(first, low) <= Math.min(last, high))
    .map(([first]) => Math.max(first, low));
}

/**
 * Bytes of a character, by its first.
 * @param {number} first
 */
function utf8Length(first) {
  return UTF8_LENGTHS.find(([below]) => first < below)?.[1] ?? 1;
}

/**
 * The first and the last character whose UTF-8 begins so; none where the first is higher.
 * @param {number[]} begun
 * @returns {Range}
 */
function begunRange(begun) {
  const [first, ...more] = begun;
  const length = utf8Length(first);
  if (length === 1) return first < 0x80 ? [first, first] : [1, 0];
  const code = more.reduce((bits, byte) => (bits << 6) | (byte & 0x3f), first & (0x7f >> length));
  const missing = 6 * (length - begun.length);
  return [Math.max(code << missing, SMALLEST[length]), ((code + 1) << missing) - 1];
}
