import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";

import { measureMemory, shardSizes } from "../runtime/memory.js";

const url = new URL("../../tests/cases/memory.json", import.meta.url);
const { variants, buffers, cases } = JSON.parse(await readFile(url, "utf8"));

for (const { variant: name, context_window_size, shard_nbytes, memory } of cases) {
  test(`memory of ${name} with ${shard_nbytes.length} shards`, () => {
    const variant = variants.find((/** @type {{name: string}} */ v) => v.name === name);
    const program = /** @type {any} */ ({ buffers });
    assert.deepEqual(measureMemory(program, variant, context_window_size, shard_nbytes), memory);
  });
}

test("the shards of a manifest are the binary files of its weights folder", () => {
  const file = (/** @type {number} */ nbytes) => ({ nbytes, sha256: "" });
  const files = {
    "program.json": file(1),
    "other.bin": file(2),
    "weights-1/ndarray-cache.json": file(3),
    "weights-1/params_shard_0.bin": file(4),
    "weights-1/params_shard_1.bin": file(5),
  };
  const manifest = /** @type {any} */ ({ weights: { path: "weights-1/" }, files });
  assert.deepEqual(shardSizes(manifest), [4, 5]);
});
