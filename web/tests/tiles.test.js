import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import test from "node:test";

import { chunkNbytes, regions, textureNbytes, toTiles } from "../runtime/tiles.js";

const url = new URL("../../tests/cases/tiles.json", import.meta.url);
const cases = JSON.parse(await readFile(url, "utf8"));

for (const { first, count, regions: expected } of cases.regions) {
  test(`regions of ${count} texels from ${first} on`, () => {
    assert.deepEqual(regions(first, count), expected);
  });
}

for (const { nbytes, texture_nbytes } of cases.textures) {
  test(`a texture for ${nbytes} bytes`, () => assert.equal(textureNbytes(nbytes), texture_nbytes));
}

for (const { tiles, nbytes } of cases.chunks) {
  test(`a chunk of ${nbytes} bytes`, () => assert.equal(chunkNbytes(tiles ?? undefined), nbytes));
}

for (const { tiles, rows, sha256 } of cases.tiles) {
  test(`${rows} rows in tiles ${JSON.stringify(tiles)}`, () => {
    const nbytes = rows * tiles.row_units * tiles.unit_nbytes;
    const bytes = Uint8Array.from({ length: nbytes + 1 }, (_, i) => ((i - 1) * 37 + 11) % 251);
    for (const data of [bytes.subarray(1), bytes.slice(1)]) {
      const ordered = toTiles(data, tiles); // aligned to words, and not
      assert.equal(createHash("sha256").update(ordered).digest("hex"), sha256);
    }
  });
}
