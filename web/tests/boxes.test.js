import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";

import { parseBoxes } from "../runtime/image/boxes.js";

const url = new URL("../../tests/cases/boxes.json", import.meta.url);
const cases = JSON.parse(await readFile(url, "utf8"));

for (const { text, boxes } of cases) {
  test(`boxes in ${JSON.stringify(text)}`, () => {
    const expected = boxes.map((/** @type {any} */ { label, edges, segments }) => {
      const [y_min, x_min, y_max, x_max] = edges.map((/** @type {number} */ n) => n / 1024);
      return { label, y_min, x_min, y_max, x_max, segments };
    });
    assert.deepEqual(parseBoxes(text), expected);
  });
}
