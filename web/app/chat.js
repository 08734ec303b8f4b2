/** The conversation: sends what is written, shows what comes back. */

/** @import { Engine } from "../webgemma/index.js" */
/** @import { ContentPart, FinishReason, RequestMessage } from "../webgemma/types.d.ts" */
/** @import { Lexer } from "./markdown.js" */
/** @import { PictureInput } from "./picture-input.js" */
/** @import { Picture } from "./picture.js" */
/** @import { Settings } from "./settings.js" */

import { byId, element } from "./dom.js";
import { MarkdownView } from "./markdown.js";
import { errorPanel, note } from "./panel.js";
import { fit, pictureImage } from "./picture.js";
import { ReplyView } from "./reply.js";
import { SeenView } from "./seen.js";

const THUMBNAIL_HEIGHT = 12; // rem
const NEAR_THE_END = 80; // pixels from the bottom within which new text scrolls along

/** A chat with a loaded model. */
export class Chat {
  /**
   * @param {Engine} engine
   * @param {Settings} settings
   * @param {Lexer} lexer
   * @param {PictureInput | null} pictures where the model sees: then every question stands alone
   */
  constructor(engine, settings, lexer, pictures) {
    this.engine = engine;
    this.settings = settings;
    this.lexer = lexer;
    this.pictures = pictures;
    /** @type {Picture | null} what the last question is about */
    this.picture = null;
    /** @type {RequestMessage[]} */
    this.messages = [];
    this.isBusy = false;
    /** @type {object | null} the reply that is being written, until a reset */
    this.turn = null;
    this.list = byId("messages", HTMLDivElement);
    this.panel = byId("panel", HTMLDivElement);
    this.scroller = byId("scroller", HTMLElement);
    this.isAtEnd = true; // as its reader left it: a picture that comes is no reason to stay behind
    this.scroller.onscroll = () => {
      const { scrollHeight, scrollTop, clientHeight } = this.scroller;
      this.isAtEnd = scrollHeight - scrollTop - clientHeight <= NEAR_THE_END;
    };
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
    const picture = this.pictures?.current ?? null;
    const isNew = picture !== this.picture || !this.messages.length;
    this.messages.push({ role: "user", content: picture ? question(picture, text) : text });
    this.list.append(userMessage(text, isNew ? picture : null));
    this.picture = picture;
    await this.reply();
  }

  /** Reply to the last message; again, after an error. */
  async reply() {
    const turn = {};
    this.turn = turn;
    this.setBusy(true);
    this.panel.replaceChildren();
    const { picture, lexer } = this;
    const reply = new ReplyView(
      (body) => (picture ? new SeenView(body, picture) : new MarkdownView(body, lexer)),
      () => this.follow(),
    );
    this.list.append(reply.root);
    this.follow(true);
    const current = this.messages;
    try {
      const chunks = await this.engine.chat.completions.create({
        ...this.settings.request,
        messages: this.pictures ? current.slice(-1) : current,
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
    if (message.startsWith("prompt: got") && !this.pictures) {
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
    if (always || this.isAtEnd) this.scroller.scrollTop = this.scroller.scrollHeight;
  }
}

/**
 * @param {Picture} picture
 * @param {string} text
 * @returns {ContentPart[]}
 */
function question({ blob }, text) {
  return [
    { type: "image", image: blob },
    { type: "text", text },
  ];
}

/**
 * @param {string} text
 * @param {Picture | null} picture
 * @returns {HTMLElement}
 */
function userMessage(text, picture) {
  const message = element("div", { className: "message user" });
  if (picture) {
    const image = pictureImage(picture, `The picture ${picture.name}`);
    fit(image, picture, THUMBNAIL_HEIGHT);
    message.append(image);
  }
  message.append(text);
  return message;
}
