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
      return new Chats(
        store,
        new BroadcastChannel(name),
        list,
        damaged ? damagedText(damaged) : "",
      );
    } catch (error) {
      console.info("chats are not kept:", error);
      return new Chats(NOWHERE, null, [], NOT_KEPT);
    }
  }

  /**
   * Use `Chats.open`.
   * @param {ChatStore} store
   * @param {BroadcastChannel | null} tabs the other tabs of this site
   * @param {Conversation[]} list
   * @param {string} trouble
   */
  constructor(store, tabs, list, trouble) {
    this.store = store;
    this.tabs = tabs;
    this.list = list;
    /** What people should know about the store, or nothing. */
    this.trouble = trouble;
    /** @type {Set<string>} ids; a reply may still be on its way to one of them */
    this.removed = new Set();
    this.onChange = () => {};
    this.sort();
    if (tabs) tabs.onmessage = () => this.refresh();
  }

  /** Take over what another tab has written. */
  async refresh() {
    const { list } = readAll(await this.store.all());
    const here = new Map(this.list.map((one) => [one.id, one]));
    this.list = list.map((stored) => {
      const known = here.get(stored.id);
      if (!known || stored.updated > known.updated) return stored;
      return Object.assign(known, { title: stored.title }); // it may be open here
    });
    this.sort();
    this.onChange();
  }

  /**
   * Keep what a conversation has become.
   * @param {Conversation} conversation
   */
  async save(conversation) {
    if (this.removed.has(conversation.id)) return;
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
    this.removed.add(conversation.id);
    this.list = this.list.filter(({ id }) => id !== conversation.id);
    this.onChange();
    await this.write(() => this.store.remove(conversation.id));
  }

  /**
   * Take back a removal.
   * @param {Conversation} conversation
   */
  async restore(conversation) {
    this.removed.delete(conversation.id);
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
    const ids = new Set(conversations.map(({ id }) => id));
    this.list = [...this.list.filter(({ id }) => !ids.has(id)), ...conversations];
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
      this.tabs?.postMessage("changed");
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
