/** The conversations of this device: the newest first, kept where the browser lets us. */

/** @import { ChatStore } from "./chat-store.js" */
/** @import { Conversation } from "./conversations.js" */

import { NOWHERE, openChatStore } from "./chat-store.js";
import { additions, exportText, parseExport, readConversation } from "./conversations.js";

const NOT_KEPT =
  "Chats are not kept in this browser: they end with this page. Export what matters.";

/** All conversations, as they are shown and stored. */
export class Chats {
  /**
   * Read what is kept; without a store, begin with nothing.
   * @param {string} name of the store: sites of one origin have one each
   * @returns {Promise<Chats>}
   */
  static async open(name) {
    try {
      const store = await openChatStore(name);
      const { list, damaged } = readAll(await store.all());
      return new Chats(store, list, damaged ? damagedText(damaged) : "");
    } catch (error) {
      console.info("chats are not kept:", error);
      return new Chats(NOWHERE, [], NOT_KEPT);
    }
  }

  /**
   * Use `Chats.open`.
   * @param {ChatStore} store
   * @param {Conversation[]} list
   * @param {string} trouble
   */
  constructor(store, list, trouble) {
    this.store = store;
    this.list = list;
    /** What people should know about the store, or nothing. */
    this.trouble = trouble;
    /** @type {WeakSet<Conversation>} a reply may still be on its way to one of them */
    this.removed = new WeakSet();
    this.onChange = () => {};
    this.sort();
  }

  /**
   * Keep what a conversation has become.
   * @param {Conversation} conversation
   */
  async save(conversation) {
    if (this.removed.has(conversation)) return;
    conversation.updated = Date.now();
    await this.add([conversation]);
  }

  /**
   * @param {Conversation} conversation
   * @param {string} title
   */
  async rename(conversation, title) {
    conversation.title = title;
    await this.add([conversation]);
  }

  /** @param {Conversation} conversation */
  async remove(conversation) {
    this.removed.add(conversation);
    this.list = this.list.filter((one) => one !== conversation);
    this.onChange();
    await this.write(() => this.store.remove(conversation.id));
  }

  /**
   * Take back a removal.
   * @param {Conversation} conversation
   */
  async restore(conversation) {
    this.removed.delete(conversation);
    await this.add([conversation]);
  }

  /**
   * Add the conversations of an exported file: all that are not there yet, or none and an error.
   * @param {string} name
   * @param {string} content
   * @returns {Promise<number>} how many are new
   */
  async import(name, content) {
    const added = additions(this.list, parseExport(name, content));
    await this.add(added);
    return added.length;
  }

  /** @returns {string} the text of a file with all conversations */
  export() {
    return exportText(this.list);
  }

  /** @param {Conversation[]} conversations */
  async add(conversations) {
    this.list = [...this.list.filter((one) => !conversations.includes(one)), ...conversations];
    this.sort();
    this.onChange();
    await this.write(() => this.store.put(conversations));
  }

  sort() {
    this.list.sort((a, b) => b.updated - a.updated);
  }

  /** @param {() => Promise<void>} work */
  async write(work) {
    if (this.store === NOWHERE) return;
    try {
      await work();
    } catch (error) {
      const { name } = /** @type {Error} */ (error);
      this.trouble = `This chat could not be kept (${name}). Export it, or make room by deleting others.`;
      this.onChange();
      return;
    }
    if (!this.trouble) return;
    this.trouble = "";
    this.onChange();
  }
}

/** @param {number} count */
function damagedText(count) {
  const chats = count === 1 ? "1 stored chat is" : `${count} stored chats are`;
  return `${chats} damaged and cannot be shown.`;
}

/**
 * @param {unknown[]} records
 * @returns {{list: Conversation[], damaged: number}}
 */
function readAll(records) {
  /** @type {Conversation[]} */
  const list = [];
  for (const record of records) {
    try {
      list.push(readConversation(record, "chat"));
    } catch (error) {
      console.info("a stored chat is left out:", error);
    }
  }
  return { list, damaged: records.length - list.length };
}
