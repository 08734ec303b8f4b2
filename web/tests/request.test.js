import assert from "node:assert/strict";
import test from "node:test";

import { ConfigError, UnsupportedError } from "../runtime/errors.js";
import { checkRequest } from "../runtime/request.js";

const messages = [{ role: "user", content: "hi" }];

test("a minimal request is filled in", () => {
  assert.deepEqual(checkRequest({ messages }), {
    messages,
    images: [],
    stream: false,
    max_tokens: null,
    temperature: null,
    seed: null,
    stop: [],
  });
});

test("a full request is taken as it is", () => {
  const request = { messages, stream: true, max_tokens: 5, temperature: 0, seed: 0, stop: "end" };
  assert.deepEqual(checkRequest(request), { ...request, images: [], stop: ["end"] });
});

/** @type {[string, object, string][]} */
const refused = [
  ["a field we do not have", { top_p: 0.9 }, "'top_p' is not supported"],
  ["no messages", { messages: [] }, "'messages': got [], expected a list of at least one"],
  ["messages that are a text", { messages: "hi" }, `'messages': got "hi", expected a list`],
  ["a message that is null", { messages: [null] }, "'messages[0].role': got undefined"],
  ["an unknown role", { messages: [{ role: "tool", content: "" }] }, `got "tool", expected system`],
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
      () => checkRequest(/** @type {any} */ ({ messages, ...fields })),
      (error) => {
        assert.ok(error instanceof ConfigError || error instanceof UnsupportedError);
        assert.ok(error.message.startsWith(`request: `));
        assert.ok(error.message.includes(message), error.message);
        return true;
      },
    );
  });
}
