import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { dropOldest } from "../runtime/context.js";
import { CallText, checkTools, plainMessages, replyStart } from "../runtime/tools.js";

/** @param {string} name */
const read = (name) =>
  JSON.parse(readFileSync(new URL(`../../tests/cases/${name}`, import.meta.url), "utf8"));
const CASES = read("tools.json");

/** Gemma's turns, or others. */
const chat = (prefix = "<start_of_turn>user\n") => {
  const role = { prefix, suffix: "<end_of_turn>\n", trim: true };
  const roles = { user: role, assistant: role, system: role };
  return /** @type {any} */ ({ prefix: "", generation_prefix: "", roles });
};
const toolset = (tool_choice = "auto", parallel_tool_calls = true) =>
  checkTools({ tools: CASES.tools, tool_choice, parallel_tool_calls });

for (const [fields, message] of CASES.refused) {
  test(`${JSON.stringify(fields)} is refused`, () => {
    assert.throws(() => checkTools(fields), { message });
  });
}

for (const { choice, parallel, messages, expected, start } of CASES.plain) {
  test(`a model is told of functions: ${JSON.stringify(choice)}`, () => {
    const tools = toolset(choice, parallel);
    const before = structuredClone(messages);
    const plain = plainMessages(chat(), messages, tools);
    if (expected) assert.deepEqual(plain, expected);
    assert.equal(replyStart(tools), start);
    assert.deepEqual(messages, before);
  });
}

for (const { reply, calls } of CASES.replies) {
  for (const size of [1, 7, 1000]) {
    test(`calls in ${JSON.stringify(reply)}, ${size} characters at a time`, () => {
      const text = new CallText(toolset());
      let shown = "";
      for (let i = 0; i < reply.length; i += size) shown += text.push(reply.slice(i, i + size));
      const end = text.finish();
      const found = end.tool_calls.map(({ function: call }) => [call.name, call.arguments]);
      assert.deepEqual(found, calls);
      assert.equal(shown + end.text, calls.length ? "" : reply);
    });
  }
}

test("only one call where they are not parallel, and a forced call begins before the reply", () => {
  const one = new CallText(toolset("auto", false));
  one.push('[{"name": "now"}, {"name": "now"}]');
  assert.equal(one.finish().tool_calls.length, 1);
  const choice = /** @type {any} */ ({ type: "function", function: { name: "now" } });
  const forced = new CallText(toolset(choice));
  assert.equal(forced.push('{"zone": "UTC"}}'), "");
  const [{ function: call }] = forced.finish().tool_calls;
  assert.deepEqual(call, { name: "now", arguments: '{"zone":"UTC"}' });
});

test("no tools, no difference; other templates than Gemma's are refused", () => {
  const messages = /** @type {any} */ ([{ role: "user", content: "Hi" }]);
  assert.equal(plainMessages(chat("[INST]"), messages, null), messages);
  assert.equal(toolset("none"), null);
  assert.throws(() => plainMessages(chat("[INST]"), messages, toolset()), {
    name: "UnsupportedError",
    message: /^tools: this model's chat template is not Gemma's/,
  });
  const result = /** @type {any} */ ([{ role: "tool", tool_call_id: "x", content: "5" }]);
  assert.throws(() => plainMessages(chat(), result, null), {
    message: 'messages: tool_call_id "x" is of no call before it.',
  });
});

for (const { why, context, max_tokens, system, turns, kept } of read("context.json")) {
  test(`the oldest turns are dropped: ${why}`, () => {
    const roles = /** @type {const} */ (["user", "assistant"]);
    const messages = turns.map((/** @type {number} */ size, /** @type {number} */ i) => ({
      role: roles[i % 2],
      content: String.fromCharCode(97 + i).repeat(size),
    }));
    const first = system ? [{ role: "system", content: "-".repeat(system) }] : [];
    const got = dropOldest([...first, ...messages], context, max_tokens, (some) =>
      some.reduce((sum, { content }) => sum + content.length, 0),
    );
    assert.deepEqual(got, [...first, ...messages.slice(messages.length - kept)]);
  });
}
