import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";

import { TuningMemory, checkedFindings, tunedVariant } from "../runtime/tuning.js";

const url = new URL("../../tests/cases/tuning.json", import.meta.url);
const { variant, tuned, checked } = JSON.parse(await readFile(url, "utf8"));
const FOUND = { attention: { taken: "keys=128", tried: ["keys=64", "keys=128"] } };
const INFO = { vendor: "v", architecture: "a", device: "", description: "d" };

for (const { findings, changed } of tuned) {
  test(`tuned by ${JSON.stringify(findings)}`, () => {
    const before = structuredClone(variant);
    const { symbols } = tunedVariant(variant, findings);
    assert.deepEqual(symbols, { ...variant.symbols, ...changed });
    assert.deepEqual(variant, before);
  });
}

for (const { data, findings } of checked) {
  test(`findings in ${JSON.stringify(data)}`, () =>
    assert.deepEqual(checkedFindings(data), findings));
}

/** A store's backend in memory. */
function backend() {
  const files = new Map();
  return {
    files,
    read: async (name) => files.get(name) ?? null,
    write: async (name, bytes) => void files.set(name, bytes),
  };
}

test("findings are kept by adapter and variant", async () => {
  const disk = backend();
  const memory = new TuningMemory({ backend: disk }, "00", INFO);
  assert.deepEqual(await memory.recall(variant), {});
  assert.deepEqual(await memory.candidates([variant]), [variant]);
  await memory.remember(variant, FOUND);
  await memory.remember({ ...variant, name: "f16" }, {});
  assert.deepEqual(await memory.recall(variant), FOUND);
  assert.deepEqual([...disk.files.keys()], ["tuning-00.json"]);
  const [first, second] = await memory.candidates([variant]);
  assert.equal(first.symbols.keys, 128);
  assert.equal(second, variant);
  const other = new TuningMemory({ backend: disk }, "00", { ...INFO, device: "other" });
  assert.deepEqual(await other.recall(variant), {});
});

test("a file that is damaged and a disk that is full are as if nothing had been found", async () => {
  const disk = backend();
  const memory = new TuningMemory({ backend: disk }, "00", INFO);
  for (const text of ["", "{", "[]", "7", "null"]) {
    disk.files.set("tuning-00.json", new TextEncoder().encode(text));
    assert.deepEqual(await memory.recall(variant), {});
  }
  disk.write = () => Promise.reject(new DOMException("full", "QuotaExceededError"));
  disk.read = () => Promise.reject(new DOMException("gone", "NotFoundError"));
  await memory.remember(variant, FOUND);
  assert.deepEqual(await memory.recall(variant), {});
});
