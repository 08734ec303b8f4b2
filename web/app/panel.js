/** Says what went wrong, and what to do next. */

import { element } from "./dom.js";

const TITLES = new Map([
  ["GpuError", "The GPU cannot run this model"],
  ["DeviceLostError", "The GPU was lost"],
  ["DownloadError", "The model could not be downloaded"],
  ["FormatError", "A file of this model is damaged"],
  ["UnsupportedError", "This is not supported"],
  ["ConfigError", "This does not work as asked"],
  ["ProgramError", "This model was not built correctly"],
]);

const BROWSERS =
  "WebGPU is in Chrome and Edge (113 and newer; on Linux 144 to 147, depending on the GPU), in " +
  "Safari 26 on Mac, iPhone and iPad, in Firefox 141 on Windows and 145 on Mac with an Apple chip, " +
  "and in Chrome 121 on Android 12. It needs an address with https, or localhost.";

/** @typedef {{label: string, run: () => void, title?: string, text?: string}} Action */

/**
 * A panel for an error.
 * @param {unknown} error
 * @param {Action} [action] what to try next; its title and text replace the
 *   error's own
 * @returns {HTMLElement}
 */
export function errorPanel(error, action) {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  const title = action?.title ?? TITLES.get(name) ?? "Something went wrong";
  const panel = element("section", { className: "panel", role: "alert" });
  panel.append(element("h2", {}, title), element("p", {}, action?.text ?? sentence(message)));
  if (message.includes("navigator.gpu")) panel.append(element("p", {}, BROWSERS));
  if (action) panel.append(actionButton(action));
  return panel;
}

/**
 * Something to do that no error asks for.
 * @param {string} text
 * @param {Action} action
 * @returns {HTMLElement}
 */
export function offerPanel(text, action) {
  return element("div", { className: "offer" }, note(text), actionButton(action));
}

/**
 * @param {Action} action
 * @returns {HTMLElement}
 */
function actionButton({ label, run }) {
  const button = element("button", { type: "button", className: "primary" }, label);
  button.addEventListener("click", run);
  return button;
}

/**
 * A note that is no error.
 * @param {string} text
 * @returns {HTMLElement}
 */
export function note(text) {
  return element("p", { className: "note", role: "status" }, text);
}

/** @param {string} text */
function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
