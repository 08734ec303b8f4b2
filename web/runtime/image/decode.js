/**
 * Picture files as pixels, as Pillow has them: upright as the camera noted, no colours converted, and
 * what lies under transparent parts left as it is.
 *
 * A canvas multiplies colours by their opacity, and some browsers add noise to what is read from one
 * against tracking; a texture does neither. Pixels are read a strip at a time, so that a large
 * picture takes no more memory than the browser needs to decode it.
 */

/** @import { ImageSource } from "../types.d.ts" */
/** @import { Size } from "./resize.js" */

import { ConfigError } from "../errors.js";
import { HEADER_NBYTES, readSize } from "./header.js";
import { fetchUrl, unreadable } from "./urls.js";

const MAX_PIXELS = 64e6; // 256 MB decoded
const MAX_SIDE = 65535; // a JPEG's
const STRIP_PIXELS = 2 ** 20; // about what is in memory at a time
const TILE_SIDE = 4096; // every device has textures of 8192
const ROW_ALIGNMENT = 256; // WebGPU's, of rows copied from a texture
const OPTIONS = /** @type {const} */ ({
  imageOrientation: "from-image",
  premultiplyAlpha: "none",
  colorSpaceConversion: "none",
});

/**
 * Refuse a picture that would take more memory than many devices have.
 * @param {Size} size
 */
export function checkSize({ width, height }) {
  if (width * height <= MAX_PIXELS && Math.max(width, height) <= MAX_SIDE) return;
  throw new ConfigError(
    `image: got ${width} x ${height} pixels, expected at most ${MAX_PIXELS / 1e6} million, and ` +
      `no side over ${MAX_SIDE}. Give a smaller picture.`,
  );
}

/**
 * Decode a picture.
 * @param {ImageSource} source
 * @returns {Promise<ImageBitmap>} the caller closes it
 */
export async function openImage(source) {
  const file = typeof source === "string" ? await fetchUrl(source) : source;
  if (!(file instanceof Blob)) {
    checkSize(file);
    return createImageBitmap(file, OPTIONS);
  }
  const size = readSize(new Uint8Array(await file.slice(0, HEADER_NBYTES).arrayBuffer()));
  if (size) checkSize(size);
  const bitmap = await createImageBitmap(file, OPTIONS).catch((cause) => {
    throw unreadable(cause.message, cause);
  });
  checkSize(bitmap);
  return bitmap;
}

/**
 * The pixels of a picture from the top, a few rows at a time.
 * @param {GPUDevice} device
 * @param {ImageBitmap} bitmap
 * @returns {AsyncGenerator<{pixels: Uint8Array, rowNbytes: number}, void, void>} [rows, width, 4], rows
 *   apart by `rowNbytes`, to be used before the next
 */
export async function* readStrips(device, bitmap) {
  const { width, height } = bitmap;
  const rowNbytes = Math.ceil((width * 4) / ROW_ALIGNMENT) * ROW_ALIGNMENT;
  const stripRows = Math.min(height, TILE_SIDE, Math.ceil(STRIP_PIXELS / width));
  const tile = createTile(device, Math.min(width, TILE_SIDE), stripRows);
  const { MAP_READ, COPY_DST } = GPUBufferUsage;
  const strip = device.createBuffer({ size: rowNbytes * stripRows, usage: MAP_READ | COPY_DST });
  try {
    for (let top = 0; top < height; top += stripRows) {
      const rows = Math.min(stripRows, height - top);
      for (let left = 0; left < width; left += tile.width) {
        const size = [Math.min(tile.width, width - left), rows];
        const source = { source: bitmap, origin: [left, top] };
        const target = { texture: tile, premultipliedAlpha: false };
        device.queue.copyExternalImageToTexture(source, target, size);
        const encoder = device.createCommandEncoder({ label: "read image" });
        const place = { buffer: strip, offset: left * 4, bytesPerRow: rowNbytes };
        encoder.copyTextureToBuffer({ texture: tile }, place, size);
        device.queue.submit([encoder.finish()]);
      }
      await strip.mapAsync(GPUMapMode.READ, 0, rowNbytes * rows);
      yield { pixels: new Uint8Array(strip.getMappedRange(0, rowNbytes * rows)), rowNbytes };
      strip.unmap();
    }
  } finally {
    tile.destroy();
    strip.destroy();
  }
}

/**
 * A texture that a picture, or a part of it, is copied to.
 * @param {GPUDevice} device
 * @param {number} width
 * @param {number} height
 * @returns {GPUTexture}
 */
function createTile(device, width, height) {
  const { COPY_DST, COPY_SRC, RENDER_ATTACHMENT } = GPUTextureUsage;
  const usage = COPY_DST | COPY_SRC | RENDER_ATTACHMENT; // what copying a picture to it needs
  return device.createTexture({ size: [width, height], format: "rgba8unorm", usage });
}
