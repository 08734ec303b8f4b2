/** The field to write in: Enter sends, Shift+Enter breaks the line, Esc stops. */

import { byId } from "./dom.js";

const MAX_HEIGHT = 200; // pixels; longer texts scroll

/**
 * @typedef {object} ComposerActions
 * @property {() => boolean} isComplete whether nothing but a text is missing; if not, says what is
 * @property {(text: string) => void} send
 * @property {() => void} stop
 * @property {() => boolean} isBusy
 */

/** The form at the bottom of the page. */
export class Composer {
  /** @param {ComposerActions} actions */
  constructor(actions) {
    this.actions = actions;
    this.isReady = false;
    this.form = byId("composer", HTMLFormElement);
    this.input = byId("input", HTMLTextAreaElement);
    this.sendButton = byId("send", HTMLButtonElement);
    this.stopButton = byId("stop", HTMLButtonElement);
    this.form.addEventListener("submit", (event) => this.submit(event));
    this.stopButton.addEventListener("click", actions.stop);
    this.input.addEventListener("input", () => this.update());
    this.input.addEventListener("keydown", (event) => this.onKey(event));
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      if (!document.querySelector(":popover-open")) actions.stop(); // otherwise it closes what is open
    });
  }

  /**
   * Let people write while a model loads.
   * @param {string} name of the model
   */
  prepare(name) {
    this.form.hidden = false;
    this.isReady = false;
    this.input.placeholder = `${name} is loading…`;
    this.update();
  }

  /** @param {string} placeholder what may be written */
  open(placeholder) {
    this.form.hidden = false;
    this.isReady = true;
    this.input.placeholder = placeholder;
    this.update();
    this.input.focus({ preventScroll: true });
  }

  close() {
    this.isReady = false;
    this.form.hidden = true;
  }

  /** Show the buttons that do something now, and the field as high as its text. */
  update() {
    const isBusy = this.actions.isBusy();
    const hadFocus = [this.sendButton, this.stopButton].some((b) => b === document.activeElement);
    this.sendButton.hidden = isBusy;
    this.stopButton.hidden = !isBusy;
    this.sendButton.disabled = !this.isReady || this.input.value.trim() === "";
    if (hadFocus) (isBusy ? this.stopButton : this.input).focus();
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(this.input.scrollHeight, MAX_HEIGHT)}px`;
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.form.requestSubmit();
  }

  /** @param {SubmitEvent} event */
  submit(event) {
    event.preventDefault();
    const text = this.input.value.trim();
    if (!text || !this.isReady || this.actions.isBusy() || !this.actions.isComplete()) return;
    this.input.value = "";
    this.update();
    this.actions.send(text);
  }

  /**
   * Ask something that was suggested; write it only, where something is missing.
   * @param {string} text
   */
  ask(text) {
    this.begin(text);
    this.form.requestSubmit();
  }

  /**
   * Write the beginning of a message, and leave the rest to its writer.
   * @param {string} text
   */
  begin(text) {
    this.input.value = text;
    this.update();
    this.input.focus();
  }
}
