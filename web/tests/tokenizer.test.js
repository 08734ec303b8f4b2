import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";

import { ConfigError, FormatError } from "../runtime/errors.js";
import { StreamDecoder, Tokenizer } from "../runtime/tokenizer.js";

const url = new URL("../../tests/cases/tokenizer.json", import.meta.url);
const cases = JSON.parse(await readFile(url, "utf8"));
const tokenizers = Object.fromEntries(
  Object.entries(cases.documents).map(([name, document]) => [name, Tokenizer.fromJson(document)]),
);

for (const { document, text, ids } of cases.encode) {
  test(`${document} encodes ${JSON.stringify(text)}`, () => {
    assert.deepEqual(tokenizers[document].encode(text), ids);
  });
}

for (const { document, ids, skip_control: skipControl, text, pushes, finish } of cases.decode) {
  test(`${document} decodes ${ids} ${skipControl ? "without" : "with"} control tokens`, () => {
    assert.equal(tokenizers[document].decode(ids, { skipControl }), text);
    const stream = new StreamDecoder(tokenizers[document], { skipControl });
    const pushed = ids.map((id) => stream.push(id));
    const finished = stream.finish();
    assert.equal(pushed.join("") + finished, text);
    // The two languages end an encoded surrogate, which is no UTF-8, at different bytes.
    if (pushes) assert.deepEqual([pushed, finished], [pushes, finish]);
  });
}

for (const { document, segments, ids } of cases.segments) {
  test(`${document} encodes the segments ${JSON.stringify(segments)}`, () => {
    assert.deepEqual(tokenizers[document].encodeSegments(segments), ids);
  });
}

for (const { document, text, segments } of cases.split_control) {
  test(`${document} splits ${JSON.stringify(text)}`, () => {
    assert.deepEqual(tokenizers[document].splitControl(text), segments);
  });
}

for (const { document, ids, error } of cases.errors) {
  test(`${document} refuses the ids ${ids}`, () => {
    for (const action of ["decode", "encodeSegments"]) {
      assert.throws(
        () => tokenizers[document][action](ids),
        (thrown) => thrown instanceof ConfigError && thrown.message === error,
      );
    }
  });
}

test("sizes and lookups", () => {
  const tokenizer = tokenizers.gemma;
  assert.equal(tokenizer.vocabSize, Object.keys(cases.documents.gemma.model.vocab).length);
  assert.equal(tokenizer.tokenId("<end_of_turn>"), 5);
  assert.equal(tokenizer.tokenId("no such piece"), null);
  assert.equal(tokenizer.piece(5), "<end_of_turn>");
  assert.deepEqual([...tokenizer.controlTokenIds], [0, 1, 2, 3, 4, 5]);
});

test("a piece that is named like a property of every object is an ordinary piece", () => {
  const { ...document } = structuredClone(cases.documents.no_bytes);
  document.model.vocab.constructor = Object.keys(document.model.vocab).length;
  assert.equal(
    Tokenizer.fromJson(document).tokenId("constructor"),
    document.model.vocab.constructor,
  );
  assert.equal(tokenizers.gemma.tokenId("constructor"), null);
});

test("what is no tokenizer is refused", () => {
  assert.throws(
    () => Tokenizer.fromJson("{"),
    (thrown) => thrown instanceof FormatError && thrown.message.startsWith("tokenizer.json: "),
  );
});
