/** Replies: a request to tokens, tokens to text, and what it took. Runs in the worker. */

/** @import { ChoiceEvent, CompletionEvent, FinishReason, TokenLogprob, Usage } from "./types.d.ts" */
/** @import { Generation } from "./session.js" */
/** @import { Model } from "./load.js" */
/** @import { Prompt } from "./prompt.js" */
/** @import { CheckedRequest } from "./request.js" */
/** @import { Choice } from "./sampling.js" */
/** @import { Constraint } from "./structured/constraint.js" */

import { readPrompt } from "./prompt.js";
import { StopText } from "./stop.js";
import { StreamDecoder, Tokenizer } from "./tokenizer.js";
import { CallText } from "./tools.js";

/**
 * Reply to a request, n times, piece by piece; the last event says what it took.
 * @param {Model} model
 * @param {CheckedRequest} request
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<CompletionEvent, void, void>}
 */
export async function* complete(model, request, signal) {
  const prompt = await readPrompt(model, request);
  /** @type {Generation[]} */
  const generations = [];
  for (let index = 0; index < request.n; index++) {
    generations.push(yield* reply(model, request, prompt, index, signal));
  }
  yield { usage: usage(prompt.tokens.length, generations) };
}

/**
 * One of the n replies; its noise is that of the seed plus its index.
 * @param {Model} model
 * @param {CheckedRequest} request
 * @param {Prompt} prompt
 * @param {number} index
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<ChoiceEvent, Generation, void>}
 */
async function* reply(model, request, prompt, index, signal) {
  const { manifest, tokenizer, session } = model;
  const writer = new ReplyWriter(tokenizer, request, index);
  const constraint = await constrain(model, request, prompt);
  const enough = new AbortController(); // a stop string was found
  const { sampling } = request;
  const tokens = session.generate(prompt.tokens, {
    pixels: prompt.pixels,
    maxTokens: request.max_tokens ?? undefined,
    sampling: { ...sampling, seed: (sampling.seed + index) >>> 0 },
    stopTokenIds: manifest.generation.stop_token_ids,
    signal: AbortSignal.any([signal, enough.signal]),
    constraint,
    draft: request.drafts,
  });
  try {
    return yield* write(writer, tokens, enough);
  } finally {
    constraint?.destroy();
  }
}

/**
 * What holds a reply to the schema that it has to fit; null if it may be any text.
 * @param {Model} model
 * @param {CheckedRequest} request
 * @param {Prompt} prompt
 * @returns {Promise<Constraint | null>}
 */
async function constrain(model, { schema, max_tokens }, { tokens }) {
  if (!schema) return null;
  const { manifest, tokenizer, session, runner } = model;
  session.checkLength(tokens);
  const { Constrainer } = await import("./structured/xgrammar.js"); // few replies need it
  const { stop_token_ids } = manifest.generation;
  model.constrainer ??= new Constrainer(tokenizer, stop_token_ids, runner.program.vocab_size);
  return model.constrainer.constraint(schema, session.limit(tokens, max_tokens ?? undefined));
}

/**
 * Make events of a reply's tokens.
 * @param {ReplyWriter} writer
 * @param {AsyncGenerator<Choice, Generation, void>} tokens
 * @param {AbortController} enough ends the tokens
 * @returns {AsyncGenerator<ChoiceEvent, Generation, void>}
 */
async function* write(writer, tokens, enough) {
  let step = await tokens.next();
  while (!step.done) {
    const event = writer.push(step.value);
    if (writer.isStopped) enough.abort();
    if (event) yield event;
    step = await tokens.next();
  }
  const generation = step.value;
  if (writer.isStopped) generation.finish_reason = "stop";
  yield* writer.finish(generation.finish_reason);
  return generation;
}

/** Makes text of one reply's tokens: up to a stop string, and apart from calls of functions. */
class ReplyWriter {
  /**
   * @param {Tokenizer} tokenizer
   * @param {CheckedRequest} request
   * @param {number} index
   */
  constructor(tokenizer, request, index) {
    this.tokenizer = tokenizer;
    this.index = index;
    this.decoder = new StreamDecoder(tokenizer);
    this.stops = new StopText(request.stop);
    this.calls = new CallText("tools" in request ? request.tools : null);
    /** @type {TokenLogprob[]} of tokens whose text has not come yet */
    this.logprobs = [];
  }

  get isStopped() {
    return this.stops.found;
  }

  /**
   * @param {Choice} choice
   * @returns {ChoiceEvent | null} what is certain now
   */
  push(choice) {
    if (choice.logprob !== undefined) this.logprobs.push(describe(choice, this.tokenizer));
    return this.event(this.calls.push(this.stops.push(this.decoder.push(choice.token_id))));
  }

  /**
   * @param {string} text
   * @returns {ChoiceEvent | null}
   */
  event(text) {
    if (!text) return null;
    const logprobs = this.logprobs.splice(0);
    return { index: this.index, text, ...(logprobs.length && { logprobs }) };
  }

  /**
   * @param {Generation["finish_reason"]} reason why the tokens ended
   * @returns {Generator<ChoiceEvent, void, void>}
   */
  *finish(reason) {
    const { index } = this;
    const rest = this.calls.push(this.stops.push(this.decoder.finish()) + this.stops.finish());
    const { text, tool_calls } = this.calls.finish();
    const last = this.event(rest + text);
    if (last) yield last;
    if (tool_calls.length) yield { index, tool_calls };
    const logprobs = this.logprobs.splice(0);
    const ended = reason === "length" ? "length" : "stop";
    /** @type {FinishReason} */
    const finish_reason = tool_calls.length ? "tool_calls" : ended;
    yield { index, ...(logprobs.length && { logprobs }), finish_reason };
  }
}

/**
 * A choice in OpenAI's words.
 * @param {Choice} choice
 * @param {Tokenizer} tokenizer
 * @returns {TokenLogprob}
 */
function describe({ token_id, logprob = 0, top_logprobs = [] }, tokenizer) {
  const utf8 = new TextDecoder();
  /** @type {(id: number, logprob: number) => {token: string, bytes: number[], logprob: number}} */
  const token = (id, logprob) => {
    const bytes = tokenizer.pieceBytes(id);
    return { token: utf8.decode(bytes), bytes: Array.from(bytes), logprob };
  };
  return { ...token(token_id, logprob), top_logprobs: top_logprobs.map((top) => token(...top)) };
}

/**
 * Token counts and rates, OpenAI's fields and ours.
 * @param {number} promptTokens
 * @param {Generation[]} generations of one request
 * @returns {Usage}
 */
export function usage(promptTokens, generations) {
  /** @type {(value: (generation: Generation) => number) => number} */
  const sum = (value) => generations.reduce((total, generation) => total + value(generation), 0);
  /** @type {(count: number, duration_ms: number) => number} */
  const rate = (count, ms) => (count > 0 && ms > 0 ? (1000 * count) / ms : 0);
  const [{ cached_tokens }] = generations;
  const completionTokens = sum(({ num_tokens }) => num_tokens);
  const prefill_duration_ms = sum((generation) => generation.prefill_duration_ms);
  const decode_duration_ms = sum((generation) => generation.decode_duration_ms);
  const prefilled = sum((generation) => promptTokens - generation.cached_tokens);
  const decoded = sum(({ num_tokens }) => Math.max(0, num_tokens - 1));
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens },
    extra: {
      cached_tokens,
      prefill_duration_ms,
      decode_duration_ms,
      prefill_tokens_per_s: rate(prefilled, prefill_duration_ms),
      decode_tokens_per_s: rate(decoded, decode_duration_ms),
      drafted_tokens: sum(({ drafted_tokens }) => drafted_tokens),
      accepted_tokens: sum(({ accepted_tokens }) => accepted_tokens),
      interrupted: generations.some(({ finish_reason }) => finish_reason === "abort"),
    },
  };
}
