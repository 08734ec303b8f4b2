import assert from "node:assert/strict";
import test from "node:test";

import {
  additions,
  exportText,
  newConversation,
  parseExport,
  readConversation,
  tidyTitle,
  titleFor,
} from "../app/conversations.js";
import { readPreferences } from "../app/preferences.js";
import { Sentences } from "../app/sentences.js";

const user = (content) => ({ role: "user", content });
const assistant = (content) => ({ role: "assistant", content });
const chat = (id, ...messages) => ({ ...newConversation(""), id, title: id, messages });

test("a title is one line, short, and never half a character", () => {
  assert.equal(tidyTitle("  a\n\tb\u0000c  "), "a b c");
  assert.equal(tidyTitle("😀".repeat(300), 3), "😀😀…");
  assert.equal(titleFor("x".repeat(61)), `${"x".repeat(59)}…`);
  assert.equal(titleFor("x".repeat(60)), "x".repeat(60));
  assert.equal(tidyTitle(" \n "), "");
  assert.ok(Array.from(titleFor("word ".repeat(100_000))).length <= 60);
});

test("what is exported is imported as it was", () => {
  const chats = [
    chat("a", user("one"), assistant("<b>two</b>")),
    chat("b", user("\u202e\ud83d😀"), assistant("")),
  ];
  assert.deepEqual(parseExport("f", exportText(chats)), chats);
  assert.deepEqual(parseExport("f", exportText([])), []);
});

test("of a record only what belongs to a conversation is taken", () => {
  const { extra, ...read } = readConversation(
    { ...chat("a", { ...user("x"), picture: "p" }), extra: 1 },
    "chat",
  );
  assert.equal(extra, undefined);
  assert.deepEqual(read.messages, [user("x")]);
  const sparse = { id: "a", title: "", created: 1, updated: 2, messages: [user("x")] };
  assert.deepEqual(readConversation(sparse, "chat"), {
    ...sparse,
    system: "",
    model: "",
    used_tokens: 0,
  });
});

test("what is wrong with a file is said once, with its place", () => {
  const cases = [
    [null, "f: got null, expected an object."],
    [{ format: "x" }, 'f: format: got "x", expected "webgemma-chats".'],
    [{ format: "webgemma-chats", version: "1" }, 'f: version: got "1", expected 1.'],
    [{ format: "webgemma-chats", version: 1 }, "f: conversations: got nothing, expected a list."],
  ];
  for (const [file, message] of cases) {
    assert.throws(() => parseExport("f", JSON.stringify(file)), { message });
  }
  assert.throws(() => parseExport("f", "\ufeff<html>"), {
    message: "f is not JSON: expected a file that this page exported.",
  });
  const broken = [
    [{ id: 5 }, "c.id: got 5, expected a text."],
    [{ id: "" }, 'c.id: got "", expected 1 to 100 characters.'],
    [{ id: "x".repeat(101) }, /^c\.id: got "x{38}…, expected 1 to 100 characters\.$/],
    [{ title: null }, "c.title: got null, expected a text."],
    [{ created: -1 }, "c.created: got -1, expected a whole number."],
    [{ updated: 1e300 }, "c.updated: got 1e+300, expected a whole number."],
    [{ messages: "x" }, 'c.messages: got "x", expected a list of at least one message.'],
    [{ messages: [user("x"), user("y")] }, 'c.messages[1].role: got "user", expected "assistant".'],
    [{ messages: [null] }, "c.messages[0]: got null, expected an object."],
    [{ messages: [user(["x"])] }, 'c.messages[0].content: got ["x"], expected a text.'],
  ];
  for (const [change, message] of broken) {
    const value = { ...chat("a", user("x")), ...change };
    assert.throws(() => readConversation(value, "c"), { message });
  }
});

test("an import adds what is not there, and replaces nothing", () => {
  const here = [chat("a", user("one")), chat("b", user("two"))];
  const [changed, fresh, twin] = [
    chat("b", user("other")),
    chat("c", user("three")),
    chat("c", user("three")),
  ];
  const added = additions(here, [here[0], changed, fresh, twin]);
  assert.equal(added.length, 2);
  assert.notEqual(added[0].id, "b");
  assert.deepEqual({ ...added[0], id: "b" }, changed);
  assert.equal(added[1], fresh);
});

test("settings that were kept are read, and what is no setting is left out", () => {
  const kept = { system: "Be brief.", sampling: { a: { topK: 5, dropsOldest: true } } };
  assert.deepEqual(readPreferences(JSON.stringify(kept)), kept);
  const none = { system: "", sampling: {} };
  for (const text of [null, "", "{", "[]", "null", "5", '{"system": 5, "sampling": []}']) {
    assert.deepEqual(readPreferences(text), none, String(text));
  }
  const odd = { sampling: { a: { topK: "5", x: null, topP: 0.5 }, b: 3 } };
  assert.deepEqual(readPreferences(JSON.stringify(odd)).sampling, { a: { topP: 0.5 }, b: {} });
});

/** Read a text aloud, cut after every `size` characters. */
function spoken(text, size) {
  const sentences = new Sentences();
  const said = [];
  for (let i = 0; i < text.length; i += size) said.push(...sentences.push(text.slice(i, i + size)));
  return [...said, ...sentences.finish()];
}

test("sentences are the same however the text is cut", () => {
  const text =
    '# Title\n\nOne *sentence*. Is "this" another? Yes!\n\n1. first\n2. second\n\n> quoted\n\n' +
    "See [the docs](https://example.org/a.b). 3.14 is a number\n\n```js\nlet x = 1;\n```\nEnd";
  const expected = [
    "Title",
    "One sentence.",
    'Is "this" another?',
    "Yes!",
    "1. first",
    "2. second",
    "quoted",
    "See the docs.",
    "3.14 is a number",
    "Code:",
    "let x = 1;",
    "End of code.",
    "End",
  ];
  for (const size of [1, 2, 7, 1000]) assert.deepEqual(spoken(text, size), expected, `${size}`);
});

test("a text without sentences is read in parts, and Chinese by its own marks", () => {
  const parts = spoken("word ".repeat(200), 5);
  assert.ok(parts.length > 2 && parts.every((part) => part.length <= 240));
  assert.equal(parts.join(" "), "word ".repeat(200).trim());
  assert.deepEqual(spoken("你好。你好吗？", 1), ["你好。", "你好吗？"]);
  assert.deepEqual(spoken("", 1), []);
});
