import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";

import { ProgramError } from "../runtime/errors.js";
import { evaluate, parse } from "../runtime/expr.js";

const url = new URL("../../tests/cases/expr.json", import.meta.url);
const cases = JSON.parse(await readFile(url, "utf8"));

for (const { expr, symbols, value } of cases.values) {
  test(`${JSON.stringify(expr)} is ${value}`, () => assert.equal(evaluate(expr, symbols), value));
}

for (const { expr, symbols, error } of cases.errors) {
  test(`${JSON.stringify(expr)} is refused`, () => {
    assert.throws(
      () => evaluate(expr, symbols),
      (thrown) => {
        assert.ok(thrown instanceof ProgramError);
        assert.equal(thrown.message, error);
        return true;
      },
    );
  });
}

test("a parsed expression is used again with other symbols", () => {
  const rows = parse("ceil_div(num_tokens, 4)");
  assert.deepEqual(
    [1, 4, 5].map((num_tokens) => rows({ num_tokens })),
    [1, 1, 2],
  );
});
