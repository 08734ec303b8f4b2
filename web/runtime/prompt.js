/** From a request to the tokens that a model is asked with, and the picture it sees. */

/** @import { ImageSource, Message, ProgramImage } from "./types.d.ts" */
/** @import { Model } from "./load.js" */
/** @import { Pixels } from "./vision.js" */

import { renderChat } from "./chat.js";
import { ConfigError, UnsupportedError } from "./errors.js";
import { blind, pixelsOf, visionPrompt } from "./vision.js";

/**
 * @typedef {object} Asked
 * @property {Message[]} messages
 * @property {ImageSource[]} images of all messages
 */
/** @typedef {{tokens: number[], pixels: Pixels | null}} Prompt */

/**
 * The prompt of a request: a chat by the model's template, or one question to a model that sees.
 * @param {Model} model
 * @param {Asked} asked
 * @returns {Promise<Prompt>}
 */
export async function readPrompt(model, asked) {
  const { manifest, tokenizer, runner } = model;
  const { image } = runner.program;
  if (image) return readQuestion(model, image, asked);
  if (asked.images.length) throw blind(runner.program);
  if (manifest.chat) {
    return { tokens: renderChat(manifest.chat, asked.messages, tokenizer), pixels: null };
  }
  throw new UnsupportedError(
    `model '${manifest.id}' has no chat template: it continues text and does not chat. ` +
      `Build it from an instruction-tuned checkpoint, or with --chat-template.`,
  );
}

/**
 * A text after a picture, or alone: the form that models that see are trained with.
 * @param {Model} model
 * @param {ProgramImage} image
 * @param {Asked} asked
 * @returns {Promise<Prompt>}
 */
async function readQuestion({ manifest, tokenizer, runner }, image, { messages, images }) {
  if (messages.length > 1 || messages[0].role !== "user") {
    const roles = messages.map(({ role }) => role).join(", ");
    throw new ConfigError(
      `messages: got ${roles}, expected one with role user: this model has no chat template, and ` +
        `answers one prompt.`,
    );
  }
  if (images.length > 1) {
    throw new ConfigError(
      `image: got ${images.length}, expected at most one. Ask about each alone.`,
    );
  }
  const { bos_token_id } = manifest.generation;
  const bos = bos_token_id == null ? [] : [bos_token_id];
  const text = tokenizer.encode(messages[0].content + image.suffix);
  const pixels = images.length ? await pixelsOf(runner, images[0]) : null;
  return { tokens: visionPrompt(image, bos, text, pixels !== null), pixels };
}
