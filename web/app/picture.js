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
    const { width, height } = await measure(url, name);
    return { blob, name, url, width, height };
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
 * The size of a picture that can be decoded, and is not too large for that.
 * @param {string} url
 * @param {string} name
 * @returns {Promise<{width: number, height: number}>}
 */
async function measure(url, name) {
  const image = new Image();
  image.src = url;
  const wrong = (/** @type {unknown} */ cause) =>
    new ConfigError(
      `${name} is no picture that this browser can read. Choose a PNG or JPEG file.`,
      {
        cause,
      },
    );
  await new Promise((resolve, reject) => {
    image.onload = resolve;
    image.onerror = () => reject(wrong(null));
  });
  const size = { width: image.naturalWidth, height: image.naturalHeight };
  checkImageSize(size); // nothing was decoded yet
  await image.decode().catch((cause) => {
    throw wrong(cause);
  });
  return size;
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
