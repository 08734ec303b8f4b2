/**
 * How large a picture is, by the first bytes of its file: before a browser decodes all of it, which
 * takes 4 bytes a pixel.
 */

/** @import { Size } from "./resize.js" */

export const HEADER_NBYTES = 2 ** 20; // a JPEG may have its metadata and a preview before its size
const SHORTEST = 32; // no picture is shorter

/**
 * The size of a PNG, JPEG, GIF or WebP, not yet turned upright.
 * @param {Uint8Array<ArrayBuffer>} bytes the first of the file
 * @returns {Size | null} null: of another kind, or damaged
 */
export function readSize(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const ascii = (/** @type {number} */ at, /** @type {number} */ count) =>
    String.fromCharCode(...bytes.subarray(at, at + count));
  if (bytes.length < SHORTEST) return null;
  if (ascii(1, 3) === "PNG") return { width: view.getUint32(16), height: view.getUint32(20) };
  if (ascii(0, 3) === "GIF") {
    return { width: view.getUint16(6, true), height: view.getUint16(8, true) };
  }
  if (ascii(0, 4) === "RIFF" && ascii(8, 4) === "WEBP") return webpSize(view, ascii(12, 4));
  return view.getUint16(0) === 0xffd8 ? jpegSize(view) : null;
}

/**
 * @param {DataView} view
 * @param {string} chunk the first one's name
 * @returns {Size | null}
 */
function webpSize(view, chunk) {
  if (chunk === "VP8 ") {
    return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  }
  if (chunk === "VP8L") {
    const bits = view.getUint32(21, true);
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
  }
  if (chunk !== "VP8X") return null;
  const uint24 = (/** @type {number} */ at) => view.getUint32(at, true) & 0xffffff;
  return { width: uint24(24) + 1, height: uint24(27) + 1 };
}

/**
 * Walk over the segments of a JPEG to its frame header.
 * @param {DataView} view
 * @returns {Size | null}
 */
function jpegSize(view) {
  for (let at = 2; at + 9 <= view.byteLength;) {
    const marker = view.getUint16(at);
    if (marker >> 8 !== 0xff) return null;
    if (isFrame(marker)) return { height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
    at += marker === 0xffff ? 1 : 2 + view.getUint16(at + 2); // 0xff may fill up
  }
  return null;
}

/**
 * Whether a marker begins a frame: SOF0 to SOF15, among which lie three others.
 * @param {number} marker
 * @returns {boolean}
 */
function isFrame(marker) {
  return marker >= 0xffc0 && marker <= 0xffcf && ![0xffc4, 0xffc8, 0xffcc].includes(marker);
}
