/**
 * Takes the picture that is asked about: chosen, photographed, dropped, pasted or a sample. It stays
 * for the next question, until it is removed or another one comes.
 */

/** @import { Picture } from "./picture.js" */

import { byId, element } from "./dom.js";
import { closePicture, openPicture, pictureImage } from "./picture.js";

const MISSING = "Choose a picture first.";

/** The picture's part of the form at the bottom of the page. */
export class PictureInput {
  /** @param {() => void} changed called when the picture is another */
  constructor(changed) {
    this.changed = changed;
    this.isOpen = false;
    /** @type {Picture | null} */
    this.current = null;
    /** @type {Set<Picture>} those that may be shown somewhere */
    this.opened = new Set();
    this.latest = 0; // counts what was taken, so that a slow file does not replace a later one
    this.tray = byId("picture-tray", HTMLDivElement);
    this.problem = byId("picture-problem", HTMLParagraphElement);
    this.chooseButton = byId("choose-picture", HTMLButtonElement);
    this.photoButton = byId("take-photo", HTMLButtonElement);
    this.files = byId("picture-file", HTMLInputElement);
    this.camera = byId("picture-camera", HTMLInputElement);
    this.listen();
  }

  listen() {
    this.chooseButton.addEventListener("click", () => this.choose());
    this.photoButton.addEventListener("click", () => this.photograph());
    for (const input of [this.files, this.camera]) {
      input.addEventListener("change", () => {
        if (input.files?.length) this.takeFirst(input.files);
        input.value = ""; // the same file can be chosen again
      });
    }
    document.addEventListener("dragover", (event) => this.onDrag(event));
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) this.showDrop(false); // the pointer left the page
    });
    document.addEventListener("drop", (event) => this.onDrop(event));
    document.addEventListener("paste", (event) => this.onPaste(event));
  }

  /**
   * Show the buttons, or hide them for a model of text.
   * @param {boolean} isOpen
   */
  open(isOpen) {
    this.isOpen = isOpen;
    this.chooseButton.hidden = !isOpen;
    this.photoButton.hidden = !isOpen;
    if (!isOpen) this.forget();
  }

  choose() {
    this.files.click();
  }

  photograph() {
    this.camera.click();
  }

  /**
   * The picture to ask about; where there is none, the page says so.
   * @returns {Picture | null}
   */
  require() {
    if (this.current) return this.current;
    this.say(MISSING);
    this.chooseButton.focus();
    return null;
  }

  /**
   * Take the first picture of some files.
   * @param {FileList} files
   */
  async takeFirst(files) {
    const file = Array.from(files).find(({ type }) => type.startsWith("image/")) ?? files[0];
    await this.take(file, file.name);
  }

  /**
   * Take a file in place of the picture there is; what is no picture is named, and changes nothing.
   * @param {Blob | Promise<Blob>} file
   * @param {string} name
   */
  async take(file, name) {
    const number = ++this.latest;
    this.say("");
    try {
      const picture = await openPicture(await file, name);
      this.opened.add(picture);
      if (number === this.latest) this.set(picture);
    } catch (error) {
      if (number === this.latest) this.say(/** @type {Error} */ (error).message);
    }
  }

  remove() {
    this.latest++;
    this.say("");
    this.set(null);
    this.chooseButton.focus();
  }

  /** @param {Picture | null} picture */
  set(picture) {
    this.current = picture;
    this.tray.hidden = !picture;
    this.tray.replaceChildren(...(picture ? this.thumbnail(picture) : []));
    this.changed();
  }

  /**
   * @param {Picture} picture
   * @returns {HTMLElement[]}
   */
  thumbnail(picture) {
    const remove = element("button", { type: "button", className: "quiet" }, "Remove");
    remove.setAttribute("aria-label", `Remove the picture ${picture.name}`);
    remove.addEventListener("click", () => this.remove());
    const size = `${picture.width} × ${picture.height}`;
    return [
      pictureImage(picture, `The picture ${picture.name}`),
      element("p", {}, picture.name, element("small", {}, size)),
      remove,
    ];
  }

  /**
   * Say what is wrong with a picture, or nothing.
   * @param {string} text
   */
  say(text) {
    this.problem.textContent = text.charAt(0).toUpperCase() + text.slice(1);
    this.problem.hidden = !text;
  }

  /** Let go all pictures but the one to ask about next. */
  tidy() {
    for (const picture of this.opened) {
      if (picture === this.current) continue;
      closePicture(picture);
      this.opened.delete(picture);
    }
  }

  forget() {
    this.latest++;
    this.say("");
    this.set(null);
    this.tidy();
  }

  /** @param {DragEvent} event */
  onDrag(event) {
    if (!this.isOpen || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    this.showDrop(true);
  }

  /** @param {DragEvent} event */
  onDrop(event) {
    this.showDrop(false);
    const files = event.dataTransfer?.files;
    if (!this.isOpen || !files?.length) return;
    event.preventDefault();
    this.takeFirst(files);
  }

  /** @param {ClipboardEvent} event */
  onPaste(event) {
    const files = Array.from(event.clipboardData?.files ?? []);
    const picture = files.find(({ type }) => type.startsWith("image/"));
    if (!this.isOpen || !picture) return; // text goes where the cursor is
    event.preventDefault();
    this.take(picture, "the pasted picture");
  }

  /** @param {boolean} isOver the page, with files */
  showDrop(isOver) {
    document.body.classList.toggle("dropping", isOver);
  }
}
