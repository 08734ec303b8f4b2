/**
 * Byte-pair encoding of a text by a tokenizer.json: exact, and n log n in the length of the text.
 *
 * Gemma's tokenizer does not cut a text into words first, so that a whole text is one word.
 */

const POSITIONS = 2 ** 30; // a heap key is rank * POSITIONS + position; ranks are below 2^23

/** Encodes texts whose spaces have become U+2581 already. */
export class BpeEncoder {
  /**
   * @param {any} model the `model` of a tokenizer.json
   * @param {Map<string, number>} ids piece -> id
   */
  constructor(model, ids) {
    this.ids = ids;
    /** "left right" -> rank. @type {Map<string, number>} */
    this.ranks = new Map();
    for (let rank = model.merges.length - 1; rank >= 0; rank--) {
      this.ranks.set(model.merges[rank], rank);
    }
    /** Ids of the 256 byte pieces, or none. @type {number[]} */
    this.byteIds = [];
    for (let byte = 0; model.byte_fallback && byte < 256; byte++) {
      const hex = byte.toString(16).toUpperCase().padStart(2, "0");
      this.byteIds.push(/** @type {number} */ (ids.get(`<0x${hex}>`)));
    }
    this.unknownId = ids.get(model.unk_token);
    this.fuseUnknown = model.fuse_unk;
    /** Words that are pieces, where those need no merges. @type {Set<string> | null} */
    this.whole = model.ignore_merges ? new Set(Object.keys(model.vocab)) : null;
    this.utf8 = new TextEncoder();
  }

  /**
   * Encode a text that holds no user-defined piece.
   * @param {string} text
   * @returns {number[]}
   */
  encode(text) {
    /** @type {number[]} */
    const ids = [];
    let isUnknown = false;
    for (const piece of this.whole?.has(text) ? [text] : this.merge(text)) {
      const id = this.ids.get(piece);
      if (id !== undefined) {
        ids.push(id);
      } else if (this.byteIds.length) {
        for (const byte of this.utf8.encode(piece)) ids.push(this.byteIds[byte]);
      } else if (this.unknownId !== undefined && !(isUnknown && this.fuseUnknown)) {
        ids.push(this.unknownId);
      }
      isUnknown = id === undefined;
    }
    return ids;
  }

  /**
   * Join neighbours, best rank first and leftmost first, until no two make a piece.
   * @param {string} text
   * @returns {string[]} the pieces, and the characters that are none
   */
  merge(text) {
    const pieces = Array.from(text); // [number of characters]; "" once joined to its left
    const count = pieces.length;
    const next = Int32Array.from(pieces, (_, i) => i + 1);
    const previous = Int32Array.from(pieces, (_, i) => i - 1);
    const pairRanks = new Int32Array(count).fill(-1); // rank of the pair that starts here
    const heap = new Heap();
    const offer = (/** @type {number} */ left) => {
      const right = next[left];
      const rank = right < count ? this.ranks.get(`${pieces[left]} ${pieces[right]}`) : undefined;
      pairRanks[left] = rank ?? -1;
      if (rank !== undefined) heap.push(rank * POSITIONS + left);
    };
    for (let i = 0; i < count; i++) offer(i);
    for (let key = heap.pop(); key !== undefined; key = heap.pop()) {
      const left = key % POSITIONS;
      if (pairRanks[left] !== (key - left) / POSITIONS) continue; // joined otherwise meanwhile
      const right = next[left];
      pieces[left] += pieces[right];
      pieces[right] = "";
      pairRanks[right] = -1;
      next[left] = next[right];
      if (next[left] < count) previous[next[left]] = left;
      offer(left);
      if (previous[left] >= 0) offer(previous[left]);
    }
    return pieces.filter((piece) => piece !== "");
  }
}

/** A binary heap of numbers, the smallest on top. */
class Heap {
  constructor() {
    /** @type {number[]} */
    this.keys = [];
  }

  /** @param {number} key */
  push(key) {
    const { keys } = this;
    let index = keys.length;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (keys[parent] <= key) break;
      keys[index] = keys[parent];
      index = parent;
    }
    keys[index] = key;
  }

  /** @returns {number | undefined} the smallest key, which is removed */
  pop() {
    const { keys } = this;
    const top = keys[0];
    const last = keys.pop();
    if (last === undefined || keys.length === 0) return top;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= keys.length) break;
      if (child + 1 < keys.length && keys[child + 1] < keys[child]) child++;
      if (keys[child] >= last) break;
      keys[index] = keys[child];
      index = child;
    }
    keys[index] = last;
    return top;
  }
}
