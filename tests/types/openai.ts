/**
 * Our answers are OpenAI's, to the types of its npm package; `tsc` checks this file, nothing runs it.
 *
 * A chunk of a text completion is not compared: OpenAI's type has no null for the finish_reason of
 * chunks before the last, which its servers do send.
 */
import type OpenAI from "openai";

import type { Engine } from "../../web/runtime/index.js";
import type {
  ChatChunk,
  ChatCompletion,
  ChatRequest,
  Completion,
  CompletionRequest,
} from "../../web/runtime/types.d.ts";
import type fields from "../cases/openai-fields.json";

export function answers(chat: ChatCompletion, chunk: ChatChunk, text: Completion) {
  chat satisfies OpenAI.ChatCompletion;
  chat.choices[0].message satisfies OpenAI.ChatCompletionMessageParam;
  chunk satisfies OpenAI.ChatCompletionChunk;
  text satisfies OpenAI.Completion;
}

/** Code that is written for OpenAI's client takes ours. */
export async function client(engine: Engine): Promise<string> {
  const messages = [{ role: "user" as const, content: "hi" }];
  const whole: OpenAI.ChatCompletion = await engine.chat.completions.create({ messages });
  const chunks: AsyncIterable<OpenAI.ChatCompletionChunk> = await engine.chat.completions.create(
    { messages, stream: true },
    { signal: AbortSignal.timeout(1000) },
  );
  let text = whole.choices[0].message.content ?? "";
  for await (const chunk of chunks) text += chunk.choices[0]?.delta?.content ?? "";
  const continued: OpenAI.Completion = await engine.completions.create({ prompt: text });
  return continued.choices[0].text;
}

/** Fields that both have and that a client sets are of the same types. */
type Shared<Ours, Theirs> = keyof Ours & keyof Theirs;
export function requests(
  chat: Pick<
    OpenAI.ChatCompletionCreateParams,
    Exclude<
      Shared<ChatRequest, OpenAI.ChatCompletionCreateParams>,
      "messages" | "tools" | "tool_choice" | "stream_options"
    >
  >,
  text: Pick<
    OpenAI.CompletionCreateParams,
    Exclude<
      Shared<CompletionRequest, OpenAI.CompletionCreateParams>,
      "prompt" | "stream_options" | "best_of"
    >
  >,
) {
  chat satisfies Omit<ChatRequest, "messages">;
  text satisfies Omit<CompletionRequest, "prompt">;
}

/** The fields that web/tests/openai-fields.test.js walks are all that there are. */
type Same<A, B> = [Exclude<A, B>, Exclude<B, A>] extends [never, never] ? true : never;
export const chatFields: Same<
  keyof (typeof fields)["chat"],
  keyof OpenAI.ChatCompletionCreateParams
> = true;
export const completionFields: Same<
  keyof (typeof fields)["completion"],
  keyof OpenAI.CompletionCreateParams
> = true;
