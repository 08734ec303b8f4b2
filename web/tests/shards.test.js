import assert from "node:assert/strict";
import test from "node:test";

import { FormatError } from "../runtime/errors.js";
import { planShards } from "../runtime/shards.js";

const record = { shape: [4], dtype: "uint8", format: "raw", nbytes: 4, byteOffset: 0 };
/** @type {any} */
const manifest = {
  weights: { path: "weights-0/" },
  files: {
    "weights-0/a.bin": { nbytes: 8, sha256: "" },
    "weights-0/b.bin": { nbytes: 4, sha256: "" },
  },
};
/** @type {any} */
const program = {
  records: {
    x: { buffer: "w", offset: 0 },
    y: { buffer: "w", offset: 4 },
    z: { buffer: "v", offset: 0 },
  },
};

/** @returns {any} */
function tensorCache() {
  return {
    metadata: {},
    records: [
      {
        dataPath: "a.bin",
        format: "raw-shard",
        nbytes: 8,
        records: [
          { name: "x", ...record },
          { name: "y", ...record, byteOffset: 4 },
        ],
      },
      { dataPath: "b.bin", format: "raw-shard", nbytes: 4, records: [{ name: "z", ...record }] },
    ],
  };
}

test("shards are planned in order, with their paths in the model's folder", () => {
  const shards = planShards(tensorCache(), manifest, program);
  assert.deepEqual(
    shards.map(({ path, records }) => [path, records.map(({ name }) => name)]),
    [
      ["weights-0/a.bin", ["x", "y"]],
      ["weights-0/b.bin", ["z"]],
    ],
  );
});

/** @type {[string, (cache: any) => void, string][]} */
const defects = [
  ["a shard that webgemma.json does not name", (c) => (c.records[1].dataPath = "c.bin"), "'c.bin'"],
  ["a path out of the folder", (c) => (c.records[1].dataPath = "../b.bin"), "'../b.bin'"],
  ["a shard of another size", (c) => (c.records[0].nbytes = 12), "got 12 bytes, expected 8"],
  [
    "a record that is there twice",
    (c) => c.records[0].records.push({ name: "x", ...record }),
    "'x'",
  ],
  ["a record beyond its shard", (c) => (c.records[1].records[0].nbytes = 8), "got bytes 0 to 8"],
  ["a record before its shard", (c) => (c.records[1].records[0].byteOffset = -4), "got bytes -4"],
  ["a missing record", (c) => c.records[0].records.pop(), "no record 'y' (1 are missing)"],
];

for (const [name, change, message] of defects) {
  test(`${name} is refused`, () => {
    const cache = tensorCache();
    change(cache);
    assert.throws(
      () => planShards(cache, manifest, program),
      (error) => error instanceof FormatError && error.message.includes(message),
    );
  });
}
