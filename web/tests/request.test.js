import assert from "node:assert/strict";
import test from "node:test";

import { ConfigError, UnsupportedError } from "../runtime/errors.js";
import { checkChatRequest, checkCompletionRequest } from "../runtime/request.js";

const messages = [{ role: "user", content: "hi" }];

const MODEL = { id: "pebble", generation: { stop_token_ids: [], temperature: 0.5, top_k: 7 } };
const OFF = {
  top_p: 1,
  min_p: 0,
  presence_penalty: 0,
  frequency_penalty: 0,
  repetition_penalty: 1,
  logit_bias: {},
  top_logprobs: null,
};

test("a minimal request is filled in, with the model's own values", () => {
  const { sampling, ...checked } = checkChatRequest({ messages }, MODEL);
  assert.deepEqual(checked, {
    messages,
    images: [],
    tools: null,
    stream: false,
    include_usage: false,
    n: 1,
    max_tokens: null,
    stop: [],
    schema: null,
    drops_oldest: false,
    drafts: true,
  });
  const { seed, ...rest } = sampling;
  assert.ok(Number.isInteger(seed));
  assert.deepEqual(rest, { ...OFF, temperature: 0.5, top_k: 7 });
});

test("a prompt is a text or token ids", () => {
  for (const prompt of ["hi", [2, 5]]) {
    const { prompt: checked, sampling } = checkCompletionRequest({ prompt, logprobs: 3 }, MODEL);
    assert.deepEqual([checked, sampling.top_logprobs], [prompt, 3]);
  }
  for (const prompt of ["", [], ["hi"], [[1]], null]) {
    assert.throws(
      () => checkCompletionRequest(/** @type {any} */ ({ prompt }), MODEL),
      ConfigError,
    );
  }
});

test("a reply that was given out can be sent back", () => {
  const reply = { role: "assistant", content: "x", refusal: null, tool_calls: null };
  const request = /** @type {any} */ ({ messages: [...messages, reply, ...messages] });
  assert.deepEqual(checkChatRequest(request, MODEL).messages[1], {
    role: "assistant",
    content: "x",
  });
});

/** @type {[string, object, string][]} */
const refused = [
  ["a field we do not have", { mirostat: 2 }, "'mirostat' is not supported"],
  ["no messages", { messages: [] }, "'messages': got [], expected a list of at least one"],
  ["messages that are a text", { messages: "hi" }, `'messages': got "hi", expected a list`],
  ["a message that is null", { messages: [null] }, "'messages[0].role': got undefined"],
  [
    "an unknown role",
    { messages: [{ role: "robot", content: "" }] },
    `got "robot", expected system`,
  ],
  [
    "a part without its text",
    { messages: [{ role: "user", content: [{ type: "text" }] }] },
    "'messages[0].content[0].text': got undefined, expected a text.",
  ],
  [
    "a message's unknown field",
    { messages: [{ role: "user", content: "", name: "x" }] },
    "'messages[0].name' is not supported",
  ],
  ["a stream that is a number", { stream: 1 }, "'stream': got 1, expected true or false"],
  ["zero tokens", { max_tokens: 0 }, "'max_tokens': got 0, expected an integer from 1 to"],
  ["half a token", { max_tokens: 1.5 }, "'max_tokens': got 1.5"],
  ["a number in quotes", { max_tokens: "5" }, `'max_tokens': got "5"`],
  ["a negative temperature", { temperature: -1 }, "'temperature': got -1, expected a number from"],
  ["a temperature that is no number", { temperature: NaN }, "'temperature': got null"],
  ["a seed beyond 32 bits", { seed: 2 ** 32 }, "'seed': got 4294967296"],
  ["an empty stop", { stop: [""] }, `'stop': got [""], expected a text, or a list of at most 4`],
  ["five stops", { stop: ["a", "b", "c", "d", "e"] }, "'stop': got"],
];

for (const [name, fields, message] of refused) {
  test(`${name} is refused`, () => {
    assert.throws(
      () => checkChatRequest(/** @type {any} */ ({ messages, ...fields }), MODEL),
      (error) => {
        assert.ok(error instanceof ConfigError || error instanceof UnsupportedError);
        assert.ok(error.message.startsWith(`request: `));
        assert.ok(error.message.includes(message), error.message);
        return true;
      },
    );
  });
}
