/** The conversation: sends what is written, shows what comes back. */

/** @import { Engine } from "../webgemma/index.js" */
/** @import { ContentPart, FinishReason, RequestMessage, Usage } from "../webgemma/types.d.ts" */
/** @import { ChatMessage, Conversation } from "./conversations.js" */
/** @import { Lexer } from "./markdown.js" */
/** @import { PictureInput } from "./picture-input.js" */
/** @import { Settings } from "./settings.js" */

import { newConversation, titleFor } from "./conversations.js";
import { byId } from "./dom.js";
import { MarkdownView } from "./markdown.js";
import { userMessage } from "./message.js";
import { errorPanel, note, offerPanel } from "./panel.js";
import { ReplyView } from "./reply.js";
import { SeenView } from "./seen.js";

const NEAR_THE_END = 80; // pixels from the bottom within which new text scrolls along

/** A reply that is being written. @typedef {{conversation: Conversation, reply: ReplyView}} Turn */

/**
 * What a chat works with.
 * @typedef {object} ChatParts
 * @property {Engine} engine
 * @property {Settings} settings
 * @property {Lexer} lexer
 * @property {PictureInput | null} pictures where the model sees: then every question stands alone
 * @property {(conversation: Conversation) => void} keep called when a conversation has changed
 */

/** A chat with a loaded model: one conversation at a time. */
export class Chat {
  /** @param {ChatParts} parts */
  constructor({ engine, settings, lexer, pictures, keep }) {
    this.engine = engine;
    this.settings = settings;
    this.lexer = lexer;
    this.pictures = pictures;
    this.keep = keep;
    /** @type {Conversation} */
    this.conversation = newConversation(settings.system);
    this.isBusy = false;
    /** @type {Turn | null} */
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

  get messages() {
    return this.conversation.messages;
  }

  /**
   * Show a conversation. The engine finds by itself what of it is in its cache.
   * @param {Conversation} conversation
   */
  open(conversation) {
    this.leave();
    this.conversation = conversation;
    this.settings.system = conversation.system;
    this.panel.replaceChildren();
    this.list.replaceChildren();
    for (const message of this.messages) this.show(message);
    this.setBusy(false);
    this.follow(true);
    if (this.messages.at(-1)?.role !== "user") return;
    const answer = { label: "Answer it", run: () => this.reply() };
    this.panel.replaceChildren(offerPanel("The last message was not answered.", answer));
  }

  /** Begin a new conversation. */
  begin() {
    this.open(newConversation(this.settings.system));
  }

  /** @param {ChatMessage} message */
  show(message) {
    if (message.role === "assistant") {
      const reply = this.replyView(message);
      this.list.append(reply.root);
      reply.restore(message.content);
      return;
    }
    const before = this.messages.slice(0, this.list.children.length).reverse();
    const isNew = before.find(({ role }) => role === "user")?.picture !== message.picture;
    const edit = (/** @type {string} */ text, /** @type {HTMLElement} */ node) =>
      this.edit(Array.from(this.list.children).indexOf(node), text);
    this.list.append(userMessage(message, isNew, edit));
  }

  /**
   * Ask something and show the reply as it comes.
   * @param {string} text
   */
  async send(text) {
    if (this.isBusy) return;
    // A message that was never answered gives way to the new one.
    if (this.messages.at(-1)?.role === "user") this.cut(this.messages.length - 1);
    const picture = this.pictures?.current;
    await this.ask({ role: "user", content: text, ...(picture && { picture }) });
  }

  /**
   * Ask something else in place of an earlier message; what followed it goes.
   * @param {number} index
   * @param {string} content
   */
  async edit(index, content) {
    if (this.isBusy) return;
    const message = { ...this.messages[index], content };
    this.cut(index);
    await this.ask(message);
  }

  /** Reply to the last question once more, in place of the reply that there is. */
  async again() {
    if (this.isBusy) return;
    this.cut(this.messages.length - 1);
    await this.reply();
  }

  /**
   * Forget all messages but the first.
   * @param {number} length
   */
  cut(length) {
    this.messages.length = length;
    this.conversation.used_tokens = 0;
    for (const node of Array.from(this.list.children).slice(length)) node.remove();
  }

  /** @param {ChatMessage} message */
  async ask(message) {
    this.conversation.title ||= titleFor(message.content);
    this.show(message);
    this.messages.push(message);
    this.keep(this.conversation);
    await this.reply();
  }

  /** Reply to the last message; again, after an error. */
  async reply() {
    this.panel.replaceChildren();
    const { conversation } = this;
    const reply = this.replyView(conversation.messages[conversation.messages.length - 1]);
    const turn = { conversation, reply };
    this.turn = turn;
    this.setBusy(true);
    this.list.append(reply.root);
    this.follow(true);
    try {
      await this.write(turn);
    } catch (error) {
      if (this.turn !== turn) return;
      this.turn = null;
      reply.root.remove();
      this.setBusy(false);
      this.fail(error);
    }
  }

  /**
   * Take the pieces of a reply; those that come after it was left are nobody's.
   * @param {Turn} turn
   */
  async write(turn) {
    const chunks = await this.engine.chat.completions.create({
      ...this.settings.request,
      messages: this.request(),
      stream: true,
      stream_options: { include_usage: true },
    });
    /** @type {FinishReason} */
    let reason = "stop";
    for await (const { choices, usage } of chunks) {
      if (this.turn !== turn) continue;
      reason = choices[0]?.finish_reason ?? reason;
      if (choices[0]?.delta.content) turn.reply.add(choices[0].delta.content);
      if (usage) this.end(turn, reason, usage);
    }
  }

  /**
   * The last of a reply. Whoever sees what it took can go on talking.
   * @param {Turn} turn
   * @param {FinishReason} reason
   * @param {Usage} usage
   */
  end(turn, reason, usage) {
    turn.conversation.used_tokens = usage.total_tokens;
    turn.conversation.model = this.engine.info.id;
    this.settle(turn);
    turn.reply.end(reason, usage);
  }

  /**
   * Make a reply part of its conversation.
   * @param {Turn} turn
   */
  settle(turn) {
    if (this.turn !== turn) return;
    this.turn = null;
    const { conversation, reply } = turn;
    conversation.messages.push({ role: "assistant", content: reply.text });
    this.keep(conversation);
    this.setBusy(false);
  }

  /** What the engine is asked. @returns {RequestMessage[]} */
  request() {
    if (this.pictures) return [question(this.messages[this.messages.length - 1])];
    const messages = this.messages.map(({ role, content }) => ({ role, content }));
    const { system } = this.settings;
    return system ? [{ role: "system", content: system }, ...messages] : messages;
  }

  /**
   * @param {ChatMessage} about what the reply answers, or the reply
   * @returns {ReplyView}
   */
  replyView({ picture }) {
    return new ReplyView(
      (body) => (picture ? new SeenView(body, picture) : new MarkdownView(body, this.lexer)),
      { drawn: () => this.follow(), again: () => this.again() },
    );
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

  /** Keep what there is of a reply, and wait for no more. */
  leave() {
    this.stop();
    if (this.turn?.reply.text) this.settle(this.turn);
    this.turn = null;
  }

  /** Leave the page to another chat, and free the model. */
  async close() {
    this.leave();
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
        text:
          `This model remembers ${room} tokens, about ${Math.round(room * 0.75)} words. ` +
          `In the settings it can be told to forget the oldest messages.`,
        label: "New chat",
        run: () => this.begin(),
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
    this.list.classList.toggle("is-busy", isBusy);
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
 * @param {ChatMessage} message
 * @returns {RequestMessage & {role: "user"}}
 */
function question({ content, picture }) {
  /** @type {ContentPart[]} */
  const parts = picture
    ? [
        { type: "image", image: picture.blob },
        { type: "text", text: content },
      ]
    : [{ type: "text", text: content }];
  return { role: "user", content: parts };
}
