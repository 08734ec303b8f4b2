/** Grammars of schemas: tests/cases/structured.json, the same for the Python twin. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import * as errors from "../runtime/errors.js";
import { Constraint } from "../runtime/structured/constraint.js";
import { toEbnf } from "../runtime/structured/ebnf.js";
import { schemaGrammar } from "../runtime/structured/schema.js";
import { Walk } from "../runtime/structured/walk.js";

const CASES = JSON.parse(
  readFileSync(new URL("../../tests/cases/structured.json", import.meta.url), "utf8"),
);
const utf8 = new TextEncoder();

/** @param {unknown} schema */
const start = (schema) => Walk.start(schemaGrammar(schema));
/** @type {(schema: unknown, text: string) => boolean} */
const isAccepted = (schema, text) => start(schema).push(utf8.encode(text))?.mayEnd ?? false;

for (const { schema, shortest, accepts, rejects } of CASES.grammars) {
  test(`the grammar of ${JSON.stringify(schema)}`, () => {
    const walk = start(schema);
    assert.equal(new TextDecoder().decode(walk.rest()), shortest);
    assert.equal(walk.restNbytes, utf8.encode(shortest).length);
    for (const text of [shortest, ...accepts]) assert.ok(isAccepted(schema, text), text);
    for (const text of rejects) assert.ok(!isAccepted(schema, text), text);
  });
}

for (const [schema, name, message] of CASES.refused) {
  test(`the schema ${JSON.stringify(schema)} is refused`, () => {
    assert.throws(() => schemaGrammar(schema), { name, message });
  });
}

test("half a character is completed, and what is no text refused", () => {
  for (const begun of [[0xe9, 0x9b], [0xf0, 0x9f], [0xe0], [0xed], [0xf4, 0x8f]]) {
    const walk = start({ type: "string" }).push([0x22, ...begun]);
    assert.ok(walk && !walk.mayEnd);
    const bytes = Uint8Array.from([0x22, ...begun, ...walk.rest()]);
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    assert.equal(Array.from(JSON.parse(text)).length, 1);
    assert.equal(walk.restNbytes, walk.rest().length);
  }
  for (const bytes of [[0x80], [0xc0, 0x80], [0xe0, 0x80], [0xed, 0xa0], [0xf4, 0x90], [0xff]]) {
    assert.equal(start({ type: "string" }).push([0x22, ...bytes]), null);
  }
});

test("a grammar is written for xgrammar: characters beyond ASCII as bytes", () => {
  assert.equal(
    toEbnf(schemaGrammar({ type: "string", pattern: "^[a-é]\u{20ac}$" })),
    'root ::= ("\\U00000022" ([\\U00000061-\\U0000007f] | [\\U000000c2\\U000000c2] ' +
      "[\\U00000080-\\U000000bf] | [\\U000000c3\\U000000c3] [\\U00000080-\\U000000a9]) " +
      '"\\U000020ac\\U00000022")\n',
  );
});

test("a reply is ended in time, by tokens of its own where there is no room for others", async () => {
  const pieces = Array.from('"ab', (char) => utf8.encode(char));
  const vocabulary = /** @type {any} */ ({
    pieces,
    cover: (/** @type {Uint8Array} */ bytes) =>
      Array.from(bytes, (byte) => pieces.findIndex(([own]) => own === byte)),
  });
  const anything = new Uint32Array([0b1111]);
  const matcher = { mask: async () => anything, accept() {}, destroy() {} };
  const grammar = schemaGrammar({ type: "string", pattern: "^a+b$" });
  const make = (/** @type {number} */ limit) =>
    new Constraint(grammar, matcher, vocabulary, [3], limit);
  assert.throws(
    () => make(4),
    new errors.ConfigError(
      "response_format: the shortest reply takes 5 tokens, got room for 4. Set max_tokens " +
        "higher, or shorten the prompt.",
    ),
  );
  const constraint = make(6);
  const taken = [];
  while (taken.at(-1) !== 3) {
    const mask = await constraint.mask();
    const wanted = [0, 1, 1, 1, 1, 1][taken.length];
    const token = constraint.take((mask[0] >>> wanted) & 1 ? wanted : Math.log2(mask[0]));
    taken.push(token ?? constraint.takeShortest());
  }
  assert.deepEqual(taken, [0, 1, 1, 2, 0, 3]);
});
