/** Finds stop strings in a text that arrives in pieces. */

/** Gives out text as soon as no stop string can begin in it any more. */
export class StopText {
  /** @param {string[]} stops none of them empty */
  constructor(stops) {
    this.stops = stops;
    this.held = "";
    this.found = false;
  }

  /**
   * Add a piece; return the text that is certain now. After a stop string, nothing more comes.
   * @param {string} piece
   * @returns {string}
   */
  push(piece) {
    if (this.found) return "";
    const text = this.held + piece;
    const starts = this.stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
    if (starts.length) {
      this.found = true;
      this.held = "";
      return text.slice(0, Math.min(...starts));
    }
    const keep = Math.max(0, ...this.stops.map((stop) => overlap(text, stop)));
    this.held = text.slice(text.length - keep);
    return text.slice(0, text.length - keep);
  }

  /** End the text: give out what was held back. */
  finish() {
    const rest = this.held;
    this.held = "";
    return rest;
  }
}

/**
 * The length of the longest end of `text` that is a true beginning of `stop`.
 * @param {string} text
 * @param {string} stop
 * @returns {number}
 */
function overlap(text, stop) {
  for (let n = Math.min(text.length, stop.length - 1); n > 0; n--) {
    if (stop.startsWith(text.slice(text.length - n))) return n;
  }
  return 0;
}
