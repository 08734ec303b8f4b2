/** One reply of the conversation: what is there of it so far, and at its end what it took. */

/** @import { FinishReason, Usage } from "../webgemma/types.d.ts" */

import { Announcer } from "./announce.js";
import { element } from "./dom.js";
import { formatRate } from "./format.js";
import { copyButton } from "./markdown.js";

/** @type {Record<FinishReason, string>} */
const ENDINGS = { stop: "", length: "cut off at the longest reply", tool_calls: "" };

/**
 * Shows a text that grows.
 * @typedef {object} View
 * @property {(text: string, options: {whole: boolean}) => void} show
 */

/** One reply on the page; drawn at most once per frame. */
export class ReplyView {
  /**
   * @param {(body: HTMLElement) => View} createView
   * @param {{drawn: () => void, again: () => void}} actions called after drawing, and for another try
   */
  constructor(createView, { drawn, again }) {
    this.text = "";
    this.drawn = drawn;
    this.again = again;
    this.isWaiting = false;
    this.announcer = new Announcer();
    this.body = element("div", { className: "markdown", dir: "auto" });
    this.root = element("div", { className: "message assistant", "aria-busy": "true" }, this.body);
    this.view = createView(this.body);
  }

  /** @param {string} text */
  add(text) {
    this.text += text;
    this.announcer.push(text);
    if (this.isWaiting) return;
    this.isWaiting = true;
    requestAnimationFrame(() => {
      this.isWaiting = false;
      this.draw(false);
    });
  }

  /** @param {boolean} whole */
  draw(whole) {
    if (this.root.getAttribute("aria-busy") === "false" && !whole) return;
    this.view.show(this.text, { whole });
    this.drawn();
  }

  /**
   * @param {FinishReason} reason
   * @param {Usage} usage
   */
  end(reason, usage) {
    const rate = usage.extra.decode_tokens_per_s;
    const count = usage.completion_tokens;
    const facts = [`${count} ${count === 1 ? "token" : "tokens"}`];
    if (rate > 0) facts.push(formatRate(rate));
    const ending = usage.extra.interrupted ? "stopped" : ENDINGS[reason];
    if (ending) facts.push(ending);
    this.announcer.finish();
    this.finish(element("span", { className: "facts" }, facts.join(" · ")));
  }

  /**
   * Show a reply that was written earlier.
   * @param {string} text
   */
  restore(text) {
    this.text = text;
    this.finish();
  }

  /** @param {HTMLElement[]} facts what is known of how it was written */
  finish(...facts) {
    this.root.setAttribute("aria-busy", "false");
    const again = element("button", { type: "button", className: "act again" }, "Try again");
    again.title = "Write another reply in place of this one";
    again.addEventListener("click", this.again);
    const copy = copyButton(() => this.text, "Copy the reply");
    this.root.append(element("div", { className: "below" }, ...facts, copy, again));
    this.draw(true);
  }
}
