/** A picture to ask about: read from a file, and checked to be one, before anything else happens. */

import { ConfigError, checkImageSize } from "../webgemma/index.js";
import { element } from "./dom.js";

/**
 * A picture that this browser can read.
 * @typedef {object} Picture
 * @property {Blob} blob the file
 * @property {string} name
 * @property {string} url shows it, until `closePicture`
 * @property {number} width upright, in pixels
 * @property {number} height
 */

/**
 * Open a file as a picture.
 * @param {Blob} blob
 * @param {string} name what people call it
 * @returns {Promise<Picture>}
 */
export async function openPicture(blob, name) {
  const url = URL.createObjectURL(blob);
  try {
    const size = await measure(url).catch((cause) => {
      throw unreadable(name, cause);
    });
    checkImageSize(size); // nothing was decoded yet
    const bitmap = await createImageBitmap(blob).catch((cause) => {
      throw unreadable(name, cause);
    });
    bitmap.close();
    return { blob, name, url, ...size };
  } catch (error) {
    URL.revokeObjectURL(url);
    throw error;
  }
}

/**
 * Let a picture go that is shown no more.
 * @param {Picture} picture
 */
export function closePicture({ url }) {
  URL.revokeObjectURL(url);
}

/**
 * The size of a picture, upright, by the beginning of its file.
 * @param {string} url
 * @returns {Promise<{width: number, height: number}>}
 */
async function measure(url) {
  const image = new Image();
  await new Promise((resolve, reject) => {
    image.onload = resolve;
    image.onerror = reject;
    image.src = url;
  });
  return { width: image.naturalWidth, height: image.naturalHeight };
}

/**
 * @param {string} name
 * @param {unknown} cause
 * @returns {ConfigError}
 */
function unreadable(name, cause) {
  return new ConfigError(
    `${name} is no picture that this browser can read. Choose a PNG or JPEG file.`,
    { cause },
  );
}

/**
 * An element that shows a picture.
 * @param {Picture} picture
 * @param {string} alt
 * @returns {HTMLImageElement}
 */
export function pictureImage({ url, width, height }, alt) {
  return element("img", { src: url, alt, width, height });
}

/**
 * Give an element a picture's proportions, and its place before the picture is there.
 * @param {HTMLElement} node
 * @param {Picture} picture
 * @param {number} height at most, in rem
 */
export function fit(node, picture, height) {
  const ratio = picture.width / picture.height;
  node.style.aspectRatio = `${ratio}`;
  node.style.width = `${height * ratio}rem`;
  node.style.maxWidth = "100%";
}
