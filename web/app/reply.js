/** One reply of the conversation: what is there of it so far, and at its end what it took. */

/** @import { FinishReason, Usage } from "../webgemma/types.d.ts" */

import { element } from "./dom.js";
import { formatRate } from "./format.js";
import { copyText } from "./markdown.js";

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
   * @param {() => void} drawn
   */
  constructor(createView, drawn) {
    this.text = "";
    this.drawn = drawn;
    this.isWaiting = false;
    this.body = element("div", { className: "markdown" });
    this.root = element("div", { className: "message assistant", "aria-busy": "true" }, this.body);
    this.view = createView(this.body);
  }

  /** @param {string} text */
  add(text) {
    this.text += text;
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
    this.root.setAttribute("aria-busy", "false");
    const rate = usage.extra.decode_tokens_per_s;
    const facts = [`${usage.completion_tokens} tokens`];
    if (rate > 0) facts.push(formatRate(rate));
    const ending = usage.extra.interrupted ? "stopped" : ENDINGS[reason];
    if (ending) facts.push(ending);
    const copy = element("button", { type: "button", className: "copy" }, "Copy");
    copy.addEventListener("click", () => copyText(this.text, copy));
    this.root.append(element("p", { className: "facts" }, facts.join(" · "), copy));
    this.draw(true);
  }
}
