/**
 * Matrices for variants that want them in tiles, in textures: the order of their planes, and how they
 * are written. The twin of webgemma/tiles.py, which says why; both pass tests/cases/tiles.json.
 */

/** @import { Tiles } from "./types.d.ts" */

const TEXEL_NBYTES = 16;
const CHUNK_NBYTES = 256 * 1024;
const TEXELS_PER_ROW = 4096; // of a texture; with 8192 rows, every device's limit, it holds 512 MiB
const ROW_NBYTES = TEXEL_NBYTES * TEXELS_PER_ROW;

/** @typedef {[x: number, y: number, width: number, height: number]} Region in texels */

/**
 * Put whole tiles of a plane in order: of each, unit 0 of all rows, then unit 1 of all, and so on.
 *
 * Four rows are walked side by side, a word of their units at a time: that is three times as fast as
 * unit by unit.
 * @param {Uint8Array<ArrayBuffer>} data rows of whole tiles, one after another
 * @param {Tiles} tiles of a multiple of four rows
 * @param {Uint32Array<ArrayBuffer>} [target] where to, if not to memory of its own
 * @returns {Uint8Array<ArrayBuffer>} as many bytes
 */
export function toTiles(
  data,
  { unit_nbytes, row_units, rows },
  target = new Uint32Array(data.length / 4),
) {
  const aligned = data.byteOffset % 4 ? data.slice() : data;
  const source = new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
  const words = unit_nbytes / 4;
  const rowWords = row_units * words;
  for (let first = 0; first < source.length; first += 4 * rowWords) {
    const row = (first / rowWords) % rows; // of the tile
    for (let word = 0; word < words; word++) {
      let to = first - row * rowWords + row * words + word;
      for (let i = word; i < rowWords; i += words, to += rows * words) {
        const from = first + i;
        target[to] = source[from];
        target[to + words] = source[from + rowWords];
        target[to + words * 2] = source[from + rowWords * 2];
        target[to + words * 3] = source[from + rowWords * 3];
      }
    }
  }
  return new Uint8Array(target.buffer, 0, data.length);
}

/**
 * Bytes of the texture that holds so many: whole rows.
 * @param {number} nbytes
 * @returns {number}
 */
export function textureNbytes(nbytes) {
  return Math.ceil(nbytes / ROW_NBYTES) * ROW_NBYTES;
}

/**
 * The rectangles, three at most, that consecutive texels fill, in their order.
 * @param {number} first
 * @param {number} count
 * @returns {Region[]}
 */
export function regions(first, count) {
  /** @type {Region[]} */
  const found = [];
  const x = first % TEXELS_PER_ROW;
  let y = Math.floor(first / TEXELS_PER_ROW);
  if (x && count) {
    const width = Math.min(count, TEXELS_PER_ROW - x);
    found.push([x, y++, width, 1]);
    count -= width;
  }
  const height = Math.floor(count / TEXELS_PER_ROW);
  const rest = count % TEXELS_PER_ROW;
  if (height) found.push([0, y, TEXELS_PER_ROW, height]);
  if (rest) found.push([0, y + height, rest, 1]);
  return found;
}

/**
 * A texture that holds the planes of a matrix; WebGPU zeroes it.
 * @param {GPUDevice} device
 * @param {string} label
 * @param {number} nbytes
 * @returns {GPUTexture}
 */
export function createMatrix(device, label, nbytes) {
  const { TEXTURE_BINDING, STORAGE_BINDING, COPY_DST } = GPUTextureUsage;
  return device.createTexture({
    label,
    size: [TEXELS_PER_ROW, textureNbytes(nbytes) / ROW_NBYTES],
    format: "rgba32uint",
    usage: TEXTURE_BINDING | STORAGE_BINDING | COPY_DST,
  });
}

/**
 * How much is put in order and written at a time: whole tiles, and not much of them.
 * @param {Tiles} [tiles]
 * @returns {number}
 */
export function chunkNbytes(tiles) {
  const tileNbytes = tiles ? tiles.rows * tiles.row_units * tiles.unit_nbytes : 1;
  return Math.max(1, Math.floor(CHUNK_NBYTES / tileNbytes)) * tileNbytes;
}

/**
 * Write part of a plane; zeros fill its last texel.
 * @param {GPUDevice} device
 * @param {GPUTexture} texture
 * @param {number} offset in the matrix's bytes, a multiple of 16
 * @param {Uint8Array<ArrayBuffer>} data rows in their order
 * @param {Tiles} [tiles] what the plane is put into on the way
 */
export function writeMatrix(device, texture, offset, data, tiles) {
  const step = chunkNbytes(tiles);
  const scratch = new Uint32Array(Math.min(step, data.length) / 4);
  for (let start = 0; start < data.length; start += step) {
    const chunk = data.subarray(start, start + step);
    const ordered = tiles ? toTiles(chunk, tiles, scratch) : chunk;
    writeTexels(device, texture, (offset + start) / TEXEL_NBYTES, padTo(TEXEL_NBYTES, ordered));
  }
}

/**
 * @param {number} unit
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {Uint8Array<ArrayBuffer>} whole units, with zeros behind the bytes
 */
export function padTo(unit, bytes) {
  if (bytes.length % unit === 0) return bytes;
  const padded = new Uint8Array(Math.ceil(bytes.length / unit) * unit);
  padded.set(bytes);
  return padded;
}

/**
 * Write whole texels, from number `first` on.
 * @param {GPUDevice} device
 * @param {GPUTexture} texture
 * @param {number} first
 * @param {Uint8Array<ArrayBuffer>} bytes
 */
function writeTexels(device, texture, first, bytes) {
  let offset = 0;
  for (const [x, y, width, height] of regions(first, bytes.length / TEXEL_NBYTES)) {
    device.queue.writeTexture(
      { texture, origin: [x, y] },
      bytes,
      { offset, bytesPerRow: width * TEXEL_NBYTES, rowsPerImage: height },
      [width, height],
    );
    offset += width * height * TEXEL_NBYTES;
  }
}
