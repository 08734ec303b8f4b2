/** Cuts a text that grows into sentences to be read aloud, without markdown's marks. */

const END = /[.!?…]+["')\]*_»”’]*(?=\s)|[。！？]+|\n/;
const MOST = 240; // characters that are held back while no sentence ends
const NUMBERED = /^\s*\d+\.$/; // of a list, not the end of a sentence
const FENCE = /^\s*(```|~~~)/;

/** Holds back what is no whole sentence yet. */
export class Sentences {
  constructor() {
    this.rest = "";
    this.isCode = false;
  }

  /**
   * @param {string} text what is new
   * @returns {string[]} what can be read aloud now
   */
  push(text) {
    this.rest += text;
    const sentences = [];
    for (let end = this.find(); end > 0; end = this.find()) {
      sentences.push(this.take(end));
    }
    return sentences.filter(Boolean);
  }

  /** @returns {string[]} the last of it */
  finish() {
    return [this.take(this.rest.length)].filter(Boolean);
  }

  /** @returns {number} where the first sentence ends; 0 while it does not */
  find() {
    let from = 0;
    for (;;) {
      const match = END.exec(this.rest.slice(from));
      if (!match) break;
      const end = from + match.index + match[0].length;
      if (!NUMBERED.test(this.rest.slice(0, end))) return end;
      from = end;
    }
    return this.rest.length > MOST ? this.rest.lastIndexOf(" ", MOST) : 0;
  }

  /**
   * @param {number} end
   * @returns {string}
   */
  take(end) {
    const line = this.rest.slice(0, end);
    this.rest = this.rest.slice(end);
    if (FENCE.test(line)) {
      this.isCode = !this.isCode;
      return this.isCode ? "Code:" : "End of code.";
    }
    return this.isCode ? line.trim() : plain(line);
  }
}

/**
 * Markdown without its marks.
 * @param {string} line
 * @returns {string}
 */
function plain(line) {
  return line
    .replace(/^\s*(#{1,6}|>|[-*+]|\|)\s+/, "")
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/[*_`~|]+/g, "")
    .trim();
}
