/** The list of conversations at the side of the page, a drawer on narrow screens. */

/** @import { Conversation } from "./conversations.js" */

import { say } from "./announce.js";
import { MAX_FILE_NBYTES, tidyTitle } from "./conversations.js";
import { byId, element, icon } from "./dom.js";

const PENCIL = "M4 16l.8-3.2 8.4-8.4 2.4 2.4-8.4 8.4z";
const BIN = "M4.5 6h11M8 6V4h4v2M6 6l.7 10h6.6L14 6";
const MS_TO_UNDO = 10_000;
const WIDE = "(min-width: 64rem)"; // as in chats.css

/**
 * @typedef {object} ListActions
 * @property {(conversation: Conversation) => void} open
 * @property {(conversation: Conversation, title: string) => void} rename
 * @property {(conversation: Conversation) => void} remove
 * @property {(conversation: Conversation) => void} restore
 * @property {() => string} exported the text of the file
 * @property {(name: string, text: string) => Promise<number>} read
 */

/** Shows the conversations, and what can be done with them. */
export class ChatList {
  /** @param {ListActions} actions */
  constructor(actions) {
    this.actions = actions;
    this.root = byId("chats", HTMLElement);
    this.list = byId("chat-list", HTMLUListElement);
    this.empty = byId("no-chats", HTMLParagraphElement);
    this.notice = byId("chats-notice", HTMLDivElement);
    this.trouble = byId("chats-trouble", HTMLParagraphElement);
    this.exportButton = byId("export-chats", HTMLButtonElement);
    this.file = byId("chats-file", HTMLInputElement);
    /** @type {Map<string, ChatRow>} by the conversation's id */
    this.rows = new Map();
    this.exportButton.addEventListener("click", () => this.export());
    byId("import-chats", HTMLButtonElement).addEventListener("click", () => this.file.click());
    this.file.addEventListener("change", () => this.import());
    // A drawer that is open when the window becomes wide enough for the list takes its place.
    matchMedia(WIDE).addEventListener("change", () => this.close());
  }

  /**
   * @param {Conversation[]} conversations
   * @param {Conversation | null} current
   * @param {string} trouble what people should know about the store
   */
  show(conversations, current, trouble) {
    const rows = conversations.map((conversation) => {
      const row = this.rows.get(conversation.id) ?? new ChatRow(conversation, this);
      row.show(conversation, conversation.id === current?.id);
      return row;
    });
    this.rows = new Map(rows.map((row) => [row.conversation.id, row]));
    const nodes = rows.map(({ root }) => root);
    const isSame = nodes.length === this.list.children.length;
    // Nodes that are moved lose the focus.
    if (!isSame || nodes.some((node, i) => node !== this.list.children[i])) {
      this.list.replaceChildren(...nodes);
    }
    this.empty.hidden = rows.length > 0;
    this.exportButton.disabled = rows.length === 0;
    this.trouble.textContent = trouble;
    this.trouble.hidden = !trouble;
  }

  /** Close the drawer, if it is one and open. */
  close() {
    if (this.root.matches(":popover-open")) this.root.hidePopover();
  }

  /** @param {Conversation} conversation */
  open(conversation) {
    this.close();
    this.actions.open(conversation);
  }

  /** @param {Conversation} conversation */
  remove(conversation) {
    this.actions.remove(conversation);
    const undo = element("button", { type: "button", className: "quiet" }, "Undo");
    undo.addEventListener("click", () => {
      this.actions.restore(conversation);
      this.tell("");
    });
    this.tell("Deleted.", undo);
    undo.focus();
    setTimeout(() => {
      if (undo.isConnected) this.tell("");
    }, MS_TO_UNDO);
  }

  /**
   * @param {string} text
   * @param {HTMLElement[]} buttons
   */
  tell(text, ...buttons) {
    say(text);
    this.notice.replaceChildren(element("p", {}, text), ...buttons);
    this.notice.hidden = !text;
  }

  export() {
    const file = new Blob([this.actions.exported()], { type: "application/json" });
    const href = URL.createObjectURL(file);
    const day = new Date().toISOString().slice(0, 10);
    element("a", { href, download: `chats-${day}.json` }).click();
    setTimeout(() => URL.revokeObjectURL(href), 10_000); // once the browser has read it
  }

  async import() {
    const [file] = this.file.files ?? [];
    this.file.value = ""; // the same file can be chosen again
    if (!file) return;
    try {
      if (file.size > MAX_FILE_NBYTES) throw new Error(`${file.name} is too large to be chats.`);
      const count = await this.actions.read(file.name, await file.text());
      this.tell(count === 1 ? "1 chat imported." : `${count} chats imported.`);
    } catch (error) {
      this.tell(`${/** @type {Error} */ (error).message} Nothing was imported.`);
    }
  }
}

/** One conversation of the list. */
class ChatRow {
  /**
   * @param {Conversation} conversation
   * @param {ChatList} list
   */
  constructor(conversation, list) {
    this.conversation = conversation;
    this.list = list;
    this.button = element("button", { type: "button", className: "chat-title", dir: "auto" });
    this.renameButton = element("button", { type: "button", className: "icon" }, icon(PENCIL));
    this.removeButton = element("button", { type: "button", className: "icon" }, icon(BIN));
    this.root = element("li", {}, this.button, this.renameButton, this.removeButton);
    this.button.addEventListener("click", () => list.open(this.conversation));
    this.renameButton.addEventListener("click", () => this.rename());
    this.removeButton.addEventListener("click", () => list.remove(this.conversation));
  }

  /**
   * @param {Conversation} conversation
   * @param {boolean} isCurrent
   */
  show(conversation, isCurrent) {
    this.conversation = conversation;
    const title = conversation.title || "Untitled";
    this.button.textContent = title;
    this.button.title = title;
    this.button.setAttribute("aria-current", String(isCurrent));
    for (const [button, verb] of /** @type {const} */ ([
      [this.renameButton, "Rename"],
      [this.removeButton, "Delete"],
    ])) {
      button.title = verb;
      button.setAttribute("aria-label", `${verb} ${title}`);
    }
  }

  /** Put a field in place of the title: Enter and leaving it rename, Escape does not. */
  rename() {
    const field = element("input", {
      type: "text",
      dir: "auto",
      "aria-label": "Title of the chat",
    });
    field.value = this.conversation.title;
    let isOpen = true;
    const close = (/** @type {boolean} */ keep) => {
      if (!isOpen) return;
      isOpen = false;
      field.replaceWith(this.button);
      const title = tidyTitle(field.value);
      if (keep && title) this.list.actions.rename(this.conversation, title);
    };
    field.addEventListener("blur", () => close(true));
    field.addEventListener("keydown", (event) => {
      if (event.isComposing || !["Enter", "Escape"].includes(event.key)) return;
      event.preventDefault(); // nor does Escape close the drawer, or stop a reply
      close(event.key === "Enter");
      this.button.focus();
    });
    this.button.replaceWith(field);
    field.select();
    field.focus();
  }
}
