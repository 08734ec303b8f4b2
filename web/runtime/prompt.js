/** From a request to the tokens that a model is asked with, and the picture it sees. */

/** @import { ProgramImage } from "./types.d.ts" */
/** @import { Model } from "./load.js" */
/** @import { CheckedChat, CheckedRequest } from "./request.js" */
/** @import { Pixels } from "./vision.js" */

import { renderChat } from "./chat.js";
import { dropOldest } from "./context.js";
import { ConfigError, UnsupportedError } from "./errors.js";
import { plainMessages, replyStart } from "./tools.js";
import { blind, pixelsOf, visionPrompt } from "./vision.js";

/** @typedef {{tokens: number[], pixels: Pixels | null}} Prompt */

/**
 * The prompt of a request: a text to continue, a chat by the model's template, or one question to a
 * model that sees.
 * @param {Model} model
 * @param {CheckedRequest} request
 * @returns {Promise<Prompt>}
 */
export async function readPrompt(model, request) {
  const { image } = model.runner.program;
  if ("prompt" in request) return { tokens: readText(model, request.prompt), pixels: null };
  if (image) return readQuestion(model, image, request);
  if (request.images.length) throw blind(model.runner.program);
  return { tokens: readChat(model, request), pixels: null };
}

/**
 * @param {Model} model
 * @param {string | number[]} prompt
 * @returns {number[]}
 */
function readText({ manifest, tokenizer }, prompt) {
  if (typeof prompt !== "string") return prompt;
  return [...bosOf(manifest), ...tokenizer.encode(prompt)];
}

/**
 * @param {Model["manifest"]} manifest
 * @returns {number[]}
 */
function bosOf({ generation: { bos_token_id } }) {
  return bos_token_id == null ? [] : [bos_token_id];
}

/**
 * @param {Model} model
 * @param {CheckedChat} request
 * @returns {number[]}
 */
function readChat({ manifest: { id, chat }, tokenizer, session }, request) {
  if (!chat) {
    throw new UnsupportedError(
      `model '${id}' has no chat template: it continues text and does not chat. ` +
        `Build it from an instruction-tuned checkpoint, or with --chat-template.`,
    );
  }
  const start = tokenizer.encode(replyStart(request.tools));
  const messages = plainMessages(chat, request.messages, request.tools);
  const kept = request.drops_oldest
    ? dropOldest(
        messages,
        session.contextWindowSize - start.length,
        request.max_tokens,
        (some) => renderChat(chat, some, tokenizer).length,
      )
    : messages;
  return [...renderChat(chat, kept, tokenizer), ...start];
}

/**
 * A text after a picture, or alone: the form that models that see are trained with.
 * @param {Model} model
 * @param {ProgramImage} image
 * @param {CheckedChat} request
 * @returns {Promise<Prompt>}
 */
async function readQuestion({ manifest, tokenizer, runner }, image, request) {
  const { messages, images, tools } = request;
  if (tools) throw new UnsupportedError("tools: this model answers one prompt, and calls nothing.");
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
  const text = tokenizer.encode(messages[0].content + image.suffix);
  const pixels = images.length ? await pixelsOf(runner, images[0]) : null;
  return { tokens: visionPrompt(image, bosOf(manifest), text, pixels !== null), pixels };
}
