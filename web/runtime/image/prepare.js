/**
 * What a program's `image` asks for: size and normalization of the pixels. The twin of
 * webgemma/image/prepare.py.
 */

/** @import { ImageSource, ProgramImage } from "../types.d.ts" */

import { openImage, readStrips } from "./decode.js";
import { Resizer } from "./resize.js";

/**
 * Decode, resize and normalize an image as a program wants it.
 * @param {GPUDevice} device reads the pixels
 * @param {ImageSource} source
 * @param {ProgramImage} image
 * @returns {Promise<Float32Array<ArrayBuffer>>} [3, size, size]: (p / 255 - mean) / std of every channel
 */
export async function prepareImage(device, source, { size, mean, std }) {
  const bitmap = await openImage(source);
  try {
    const resizer = new Resizer(bitmap, { width: size, height: size });
    for await (const { pixels, rowNbytes } of readStrips(device, bitmap)) {
      resizer.push(pixels, rowNbytes);
    }
    return normalize(resizer.finish(), mean, std);
  } finally {
    bitmap.close();
  }
}

/**
 * (p / 255 - mean) / std by channel.
 * @param {Uint8Array} pixels [height, width, 3]
 * @param {number[]} mean [3]
 * @param {number[]} std [3]
 * @returns {Float32Array<ArrayBuffer>} [3, height, width]
 */
export function normalize(pixels, mean, std) {
  const count = pixels.length / mean.length;
  const planes = new Float32Array(pixels.length);
  for (let channel = 0; channel < mean.length; channel++) {
    const levels = levelsOf(mean[channel], std[channel]);
    for (let i = 0; i < count; i++) {
      planes[channel * count + i] = levels[pixels[i * mean.length + channel]];
    }
  }
  return planes;
}

/**
 * The normalized value of every byte.
 * @param {number} mean
 * @param {number} std
 * @returns {Float32Array} [256]
 */
function levelsOf(mean, std) {
  return Float32Array.from({ length: 256 }, (_, p) => (p / 255 - mean) / std);
}
