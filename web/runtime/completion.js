/** One reply: messages to tokens, tokens to text, and what it took. Runs in the worker. */

/** @import { CompletionEvent, FinishReason, Usage } from "./types.d.ts" */
/** @import { Generation } from "./session.js" */
/** @import { Model } from "./load.js" */
/** @import { CheckedRequest } from "./request.js" */

import { readPrompt } from "./prompt.js";
import { StopText } from "./stop.js";
import { StreamDecoder } from "./tokenizer.js";

/**
 * Reply to a conversation, piece by piece; the last event says why it ended and what it took.
 * @param {Model} model
 * @param {CheckedRequest} request
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<CompletionEvent, void, void>}
 */
export async function* complete(model, request, signal) {
  const { manifest, tokenizer, session } = model;
  const { tokens: prompt, pixels } = await readPrompt(model, request);
  const decoder = new StreamDecoder(tokenizer);
  const matcher = new StopText(request.stop);
  const enough = new AbortController(); // a stop string was found
  signal.addEventListener("abort", () => enough.abort(), { once: true });
  const tokens = session.generate(prompt, {
    pixels,
    maxTokens: request.max_tokens ?? undefined,
    sampling: {
      temperature: request.temperature ?? manifest.generation.temperature ?? 1,
      seed: request.seed ?? crypto.getRandomValues(new Uint32Array(1))[0],
    },
    stopTokenIds: manifest.generation.stop_token_ids,
    signal: signal.aborted ? signal : enough.signal,
  });
  let step = await tokens.next();
  while (!step.done) {
    const text = matcher.push(decoder.push(step.value.token_id));
    if (matcher.found) enough.abort();
    if (text) yield { text };
    step = await tokens.next();
  }
  const rest = matcher.push(decoder.finish()) + matcher.finish();
  if (rest) yield { text: rest };
  const generation = step.value;
  /** @type {FinishReason} */
  const finish_reason = matcher.found ? "stop" : generation.finish_reason;
  yield { finish_reason, usage: usage(prompt.length, generation) };
}

/**
 * Token counts and rates, OpenAI's fields and ours.
 * @param {number} promptTokens
 * @param {Generation} generation
 * @returns {Usage}
 */
export function usage(promptTokens, generation) {
  const { num_tokens, cached_tokens, prefill_duration_ms, decode_duration_ms } = generation;
  /** @type {(count: number, duration_ms: number) => number} */
  const rate = (count, ms) => (count > 0 && ms > 0 ? (1000 * count) / ms : 0);
  return {
    prompt_tokens: promptTokens,
    completion_tokens: num_tokens,
    total_tokens: promptTokens + num_tokens,
    extra: {
      cached_tokens,
      prefill_duration_ms,
      decode_duration_ms,
      prefill_tokens_per_s: rate(promptTokens - cached_tokens, prefill_duration_ms),
      decode_tokens_per_s: rate(num_tokens - 1, decode_duration_ms),
    },
  };
}
