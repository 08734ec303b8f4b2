/** One message of the user: shown as it was written, copied, or written anew. */

/** @import { ChatMessage } from "./conversations.js" */

import { element } from "./dom.js";
import { copyButton } from "./markdown.js";
import { fit, pictureImage } from "./picture.js";

const THUMBNAIL_HEIGHT = 12; // rem

/**
 * @param {ChatMessage} message
 * @param {boolean} showsPicture whether its picture is another than that of the message before
 * @param {(text: string, message: HTMLElement) => void} edit called with the new text
 * @returns {HTMLElement}
 */
export function userMessage({ content, picture }, showsPicture, edit) {
  const bubble = element("div", { className: "user", dir: "auto" });
  if (picture && showsPicture) {
    const image = pictureImage(picture, `The picture ${picture.name}`);
    fit(image, picture, THUMBNAIL_HEIGHT);
    bubble.append(image);
  }
  bubble.append(content);
  const change = element("button", { type: "button", className: "act" }, "Edit");
  change.title = "Write this message anew; what follows it goes";
  const copy = copyButton(() => content, "Copy the message");
  const below = element("div", { className: "below" }, copy, change);
  const root = element("div", { className: "message sent" }, bubble, below);
  change.addEventListener("click", () => {
    const show = () => {
      root.replaceChildren(bubble, below);
      change.focus();
    };
    root.replaceChildren(editor(content, { send: (text) => edit(text, root), cancel: show }));
    root.querySelector("textarea")?.focus();
  });
  return root;
}

/**
 * A field with a message in it: Enter sends it, Escape leaves it as it was.
 * @param {string} content
 * @param {{send: (text: string) => void, cancel: () => void}} actions
 * @returns {HTMLElement}
 */
function editor(content, { send, cancel }) {
  const field = element("textarea", { value: content, dir: "auto", "aria-label": "Edit message" });
  field.rows = Math.min(8, content.split("\n").length + Math.floor(content.length / 60) + 1);
  const no = element("button", { type: "button", className: "quiet" }, "Cancel");
  no.addEventListener("click", cancel);
  const yes = element("button", { type: "submit", className: "primary" }, "Send");
  const buttons = element("div", { className: "below" }, no, yes);
  const form = element("form", { className: "editor" }, field, buttons);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = field.value.trim();
    if (text) send(text);
  });
  field.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      form.requestSubmit();
    } else if (event.key === "Escape") {
      event.preventDefault();
      cancel();
    }
  });
  return form;
}
