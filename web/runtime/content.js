/** What a message says, as OpenAI's API has it: a text, or a list of texts and pictures. */

/** @import { ImageSource } from "./types.d.ts" */

import { unsupported, wrong } from "./refusal.js";

/**
 * A message's content, texts and pictures apart.
 * @typedef {object} Content
 * @property {string} text
 * @property {ImageSource[]} images
 */

/**
 * How each part of a list is read, by its `type`: the field it has beside that, and the checked value.
 * @type {Record<string, (value: any, name: string) => Partial<Content>>}
 */
const PARTS = {
  text: (text, name) => ({ text: checkText(text, name) }),
  image_url: (value, name) => ({ images: [checkUrl(value, name)] }),
  image: (image, name) => ({ images: [checkImage(image, name)] }),
};

/**
 * Read a message's content.
 * @param {unknown} content
 * @param {string} name for messages
 * @returns {Content}
 */
export function readContent(content, name) {
  if (typeof content === "string") return { text: content, images: [] };
  if (!Array.isArray(content) || !content.length) {
    throw wrong(name, content, "a text, or a list of parts of type text, image_url or image");
  }
  const parts = content.map((part, i) => readPart(part, `${name}[${i}]`));
  return {
    text: parts.map(({ text = "" }) => text).join(""),
    images: parts.flatMap(({ images = [] }) => images),
  };
}

/**
 * @param {any} part
 * @param {string} name
 * @returns {Partial<Content>}
 */
function readPart(part, name) {
  const { type, ...fields } = part ?? {};
  if (!Object.hasOwn(PARTS, type)) {
    throw wrong(`${name}.type`, type, Object.keys(PARTS).join(", "));
  }
  checkFields(fields, type, name);
  return PARTS[type](fields[type], `${name}.${type}`);
}

/**
 * Refuse all fields but one: nothing is ignored.
 * @param {object} fields
 * @param {string} known
 * @param {string} name
 */
function checkFields(fields, known, name) {
  const other = Object.keys(fields).find((field) => field !== known);
  if (other) throw unsupported(`${name}.${other}`, [known]);
}

/**
 * @param {unknown} text
 * @param {string} name
 * @returns {string}
 */
function checkText(text, name) {
  if (typeof text === "string") return text;
  throw wrong(name, text, "a text");
}

/**
 * @param {any} value {url}
 * @param {string} name
 * @returns {string}
 */
function checkUrl(value, name) {
  const { url, ...others } = value ?? {};
  checkFields(others, "url", name);
  if (typeof url === "string" && /^(data|blob):/.test(url)) return url;
  const shown = typeof url === "string" ? url.slice(0, 40) : url;
  throw wrong(
    `${name}.url`,
    shown,
    "a data: or blob: URL, as no picture is fetched from elsewhere",
  );
}

/**
 * @param {unknown} image
 * @param {string} name
 * @returns {Blob | ImageBitmap}
 */
function checkImage(image, name) {
  if (image instanceof Blob) return image;
  if (typeof ImageBitmap !== "undefined" && image instanceof ImageBitmap) return image;
  throw wrong(name, image, "a Blob, a File or an ImageBitmap");
}
