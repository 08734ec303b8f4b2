/**
 * What a session does with an image: prepare it, encode it once, put it before the prompt. The twin
 * of webgemma/runtime/vision.py.
 */

/** @import { ImageSource, Program, ProgramImage } from "./types.d.ts" */
/** @import { Runner } from "./runner.js" */

import { ConfigError, GpuError, WebGemmaError } from "./errors.js";
import { prepareImage } from "./image/prepare.js";

/** @typedef {Float32Array<ArrayBuffer>} Pixels as a program takes them: [3, size, size], normalized */

/**
 * Read, resize and normalize an image.
 * @param {Runner} runner
 * @param {ImageSource} source
 * @returns {Promise<Pixels>}
 */
export async function pixelsOf(runner, source) {
  const { device, program } = runner;
  if (!program.image) throw blind(program);
  try {
    return await prepareImage(device, source, program.image);
  } catch (cause) {
    if (cause instanceof WebGemmaError) throw cause;
    runner.throwIfFailed();
    const { message } = /** @type {Error} */ (cause);
    throw new GpuError(`image: its pixels could not be read: ${message}`, { cause });
  }
}

/**
 * The error of an image for a model of text.
 * @param {Program} program
 * @returns {ConfigError}
 */
export function blind({ architecture }) {
  return new ConfigError(
    `image: a model of architecture '${architecture}' does not see images. Ask it without one, or ` +
      `build one that sees (paligemma).`,
  );
}

/**
 * Run phase `encode_image`; its result stays on the GPU for the prompts that follow.
 * @param {Runner} runner
 * @param {ProgramImage} image
 * @param {Pixels} pixels
 */
export function encodeImage(runner, image, pixels) {
  const words = { position: 0, num_tokens: image.num_tokens };
  runner.writeImage(pixels);
  runner.writeState(words);
  runner.run("encode_image", words);
}

/**
 * A token for every part of the image, if there is one, before BOS and the text's tokens.
 * @param {ProgramImage} image
 * @param {number[]} bos
 * @param {number[]} text
 * @param {boolean} hasImage
 * @returns {number[]}
 */
export function visionPrompt(image, bos, text, hasImage) {
  const parts = new Array(hasImage ? image.num_tokens : 0).fill(image.token_id);
  return [...parts, ...bos, ...text];
}

/**
 * Refuse a prompt of which no one chunk holds all: its tokens see each other.
 * @param {Program} program
 * @param {number} length
 */
export function checkPrefix(program, length) {
  const most = program.prefill_chunk_size;
  if (length <= most) return;
  throw new ConfigError(
    `prompt: got ${length} tokens with the image's, expected at most ${most}, as they are run at ` +
      `once. Shorten the text.`,
  );
}

/**
 * Whether two images are the same to a model.
 * @param {Pixels} a
 * @param {Pixels | null} b
 * @returns {boolean}
 */
export function samePixels(a, b) {
  return b !== null && a.length === b.length && a.every((value, i) => value === b[i]);
}
