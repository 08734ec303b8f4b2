/** The conversation: sends what is written, shows what comes back. */

/** @import { Engine } from "../webgemma/index.js" */
/** @import { FinishReason, Message, Usage } from "../webgemma/types.d.ts" */
/** @import { Lexer } from "./markdown.js" */
/** @import { Settings } from "./settings.js" */

import { byId, element } from "./dom.js";
import { formatRate } from "./format.js";
import { MarkdownView, copyText } from "./markdown.js";
import { errorPanel, note } from "./panel.js";

const NEAR_THE_END = 80; // pixels from the bottom within which new text scrolls along

/** @type {Record<FinishReason, string>} */
const ENDINGS = { stop: "", length: "cut off at the longest reply", tool_calls: "" };

/** A chat with a loaded model. */
export class Chat {
  /**
   * @param {Engine} engine
   * @param {Settings} settings
   * @param {Lexer} lexer
   */
  constructor(engine, settings, lexer) {
    this.engine = engine;
    this.settings = settings;
    this.lexer = lexer;
    /** @type {Message[]} */
    this.messages = [];
    this.isBusy = false;
    /** @type {object | null} the reply that is being written, until a reset */
    this.turn = null;
    this.list = byId("messages", HTMLDivElement);
    this.panel = byId("panel", HTMLDivElement);
    this.scroller = byId("scroller", HTMLElement);
    this.onChange = () => {};
  }

  /**
   * Ask something and show the reply as it comes.
   * @param {string} text
   */
  async send(text) {
    if (this.isBusy) return;
    if (this.messages.at(-1)?.role === "user") {
      this.messages.pop(); // it was never answered: the new message takes its place
      this.list.lastElementChild?.remove();
    }
    this.messages.push({ role: "user", content: text });
    this.list.append(element("div", { className: "message user" }, text));
    await this.reply();
  }

  /** Reply to the last message; again, after an error. */
  async reply() {
    const turn = {};
    this.turn = turn;
    this.setBusy(true);
    this.panel.replaceChildren();
    const reply = new ReplyView(this.lexer, () => this.follow());
    this.list.append(reply.root);
    this.follow(true);
    const current = this.messages;
    try {
      const chunks = await this.engine.chat.completions.create({
        ...this.settings.request,
        messages: current,
        stream: true,
        stream_options: { include_usage: true },
      });
      /** @type {FinishReason} */
      let reason = "stop";
      for await (const { choices, usage } of chunks) {
        reason = choices[0]?.finish_reason ?? reason;
        if (choices[0]?.delta.content) reply.add(choices[0].delta.content);
        if (usage) reply.end(reason, usage);
      }
      current.push({ role: "assistant", content: reply.text });
    } catch (error) {
      reply.root.remove();
      if (this.turn === turn) this.fail(error);
    } finally {
      if (this.turn === turn) this.setBusy(false);
    }
  }

  /** Load the model again, after its GPU failed, and reply to what was asked. */
  async recover() {
    this.setBusy(true);
    this.panel.replaceChildren(note("Loading the model again, from what is on this device…"));
    try {
      await this.engine.recover();
    } catch (error) {
      this.setBusy(false);
      this.fail(error);
      return;
    }
    await this.reply();
  }

  /** End the reply that is being written. */
  stop() {
    if (this.isBusy) this.engine.interrupt();
  }

  /** Forget everything and begin anew. */
  async reset() {
    this.stop();
    this.turn = null; // what still comes of it is not shown
    this.messages = [];
    this.list.replaceChildren();
    this.panel.replaceChildren();
    this.setBusy(false);
    await this.engine.resetChat().catch((error) => this.fail(error));
  }

  /** Leave the page to another chat, and free the model. */
  async close() {
    this.turn = null;
    this.onChange = () => {};
    this.list.replaceChildren();
    await this.engine.unload();
  }

  /** @param {unknown} error */
  fail(error) {
    this.panel.replaceChildren(errorPanel(error, this.wayOut(error)));
    this.follow(true);
  }

  /**
   * What may help after an error.
   * @param {unknown} error
   * @returns {import("./panel.js").Action}
   */
  wayOut(error) {
    const { name, message } = /** @type {Error} */ (error);
    if (message.startsWith("prompt: got")) {
      const { context_window_size: room } = this.engine.info;
      return {
        title: "This chat is full",
        text: `This model remembers ${room} tokens, about ${Math.round(room * 0.75)} words.`,
        label: "New chat",
        run: () => this.reset(),
      };
    }
    // After a GPU error nothing runs until the model is loaded again.
    if (name === "GpuError" || name === "DeviceLostError") {
      return { label: "Load it again and go on", run: () => this.recover() };
    }
    return { label: "Try again", run: () => this.reply() };
  }

  /** @param {boolean} isBusy */
  setBusy(isBusy) {
    this.isBusy = isBusy;
    this.onChange();
  }

  /**
   * Keep the newest text in view, unless its reader has scrolled away.
   * @param {boolean} [always]
   */
  follow(always = false) {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    if (!always && scrollHeight - scrollTop - clientHeight > NEAR_THE_END) return;
    this.scroller.scrollTop = scrollHeight;
  }
}

/** One reply on the page; drawn at most once per frame. */
class ReplyView {
  /**
   * @param {Lexer} lexer
   * @param {() => void} drawn
   */
  constructor(lexer, drawn) {
    this.text = "";
    this.drawn = drawn;
    this.isWaiting = false;
    this.body = element("div", { className: "markdown" });
    this.root = element("div", { className: "message assistant", "aria-busy": "true" }, this.body);
    this.view = new MarkdownView(this.body, lexer);
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
