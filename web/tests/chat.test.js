import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";

import { renderChat, renderText } from "../runtime/chat.js";
import { ConfigError } from "../runtime/errors.js";
import { Tokenizer } from "../runtime/tokenizer.js";

/** @param {string} name */
async function readCases(name) {
  return JSON.parse(await readFile(new URL(`../../tests/cases/${name}`, import.meta.url), "utf8"));
}

const cases = await readCases("chat.json");
const tokenizer = Tokenizer.fromJson((await readCases("tokenizer.json")).documents.gemma);

for (const { chat, messages, ids } of cases.tokens) {
  test(`${chat} encodes ${JSON.stringify(messages)}`, () => {
    assert.deepEqual(renderChat(cases.chats[chat], messages, tokenizer), ids);
  });
}

for (const { chat, messages, add_generation_prefix: addGenerationPrefix, text } of cases.texts) {
  test(`${chat} renders ${JSON.stringify(messages)}`, () => {
    assert.equal(renderText(cases.chats[chat], messages, { addGenerationPrefix }), text);
  });
}

for (const { chat, messages, error } of cases.errors) {
  test(`${chat} refuses ${JSON.stringify(messages)}`, () => {
    assert.throws(
      () => renderChat(chat && cases.chats[chat], messages, tokenizer),
      (thrown) => {
        assert.ok(thrown instanceof ConfigError);
        assert.equal(thrown.message, error);
        return true;
      },
    );
  });
}

test("trimming 100 kB of spaces takes no quadratic time", () => {
  const content = "a" + " ".repeat(50_000) + "b" + " ".repeat(50_000);
  const start = performance.now();
  renderText(cases.chats.gemma, [{ role: "user", content }], { addGenerationPrefix: true });
  assert.ok(performance.now() - start < 1000);
});
