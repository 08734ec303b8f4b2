/** Invites to ask about a picture: one of the visitor's own, or a sample that came with the model. */

/** @import { Manifest } from "../webgemma/types.d.ts" */
/** @import { PictureInput } from "./picture-input.js" */

import { DownloadError } from "../webgemma/index.js";
import { element } from "./dom.js";

/**
 * What stands on the page before the first question.
 * @param {Manifest} manifest
 * @param {URL} folder the model's
 * @param {PictureInput} input
 * @returns {HTMLElement[]}
 */
export function gallery(manifest, folder, input) {
  const samples = manifest.samples ?? [];
  if (!samples.length) return [ownPicture(input)];
  const buttons = samples.map((path) => element("li", {}, sampleButton(path, folder, input)));
  return [
    ownPicture(input),
    element("p", { className: "needs", id: "samples-title" }, "Or try one of these:"),
    element("ul", { className: "samples", "aria-labelledby": "samples-title" }, ...buttons),
  ];
}

/**
 * @param {PictureInput} input
 * @returns {HTMLElement}
 */
function ownPicture(input) {
  const choose = element("button", { type: "button", className: "primary" }, "Choose a picture");
  choose.addEventListener("click", () => input.choose());
  const photo = element("button", { type: "button", className: "quiet photo" }, "Take a photo");
  photo.addEventListener("click", () => input.photograph());
  return element(
    "div",
    { className: "own-picture" },
    element("div", { className: "own-buttons" }, choose, photo),
    element("p", { className: "when-fine" }, "or drop one here, or paste it"),
  );
}

/**
 * @param {string} path
 * @param {URL} folder
 * @param {PictureInput} input
 * @returns {HTMLElement}
 */
function sampleButton(path, folder, input) {
  const url = new URL(path, folder);
  const name = sampleName(path);
  const image = element("img", { src: url.href, alt: name, loading: "lazy" });
  const button = element("button", { type: "button", className: "sample", title: name }, image);
  button.addEventListener("click", () => input.take(fetchSample(url, path), name));
  return button;
}

/**
 * @param {string} path samples/two-cats.png
 * @returns {string} two cats
 */
export function sampleName(path) {
  const file = path.slice(path.lastIndexOf("/") + 1);
  return file.replace(/\.[^.]*$/, "").replace(/[-_]+/g, " ");
}

/**
 * @param {URL} url
 * @param {string} path
 * @returns {Promise<Blob>}
 */
async function fetchSample(url, path) {
  const response = await fetch(url).catch(() => null);
  if (response?.ok) return response.blob();
  throw new DownloadError(`${path}: the sample could not be downloaded. Try again.`);
}
