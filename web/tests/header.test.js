import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";

import { checkSize } from "../runtime/image/decode.js";
import { readSize } from "../runtime/image/header.js";

// The beginnings of files that Pillow wrote, of 300 x 7 pixels.
const url = new URL("../../tests/cases/picture-headers.json", import.meta.url);
const cases = JSON.parse(await readFile(url, "utf8"));

for (const { name, size, start } of cases) {
  const bytes = Uint8Array.from(Buffer.from(start, "base64"));

  test(`the size of a ${name}`, () => assert.deepEqual(readSize(bytes), size));

  test(`a ${name} that is cut off anywhere has its size or none`, () => {
    for (let length = 0; length < bytes.length; length++) {
      const found = readSize(bytes.slice(0, length));
      if (found !== null) assert.deepEqual(found, size);
    }
  });
}

test("what looks like a JPEG and is none has no size, and comes to an end", () => {
  for (const byte of [0x00, 0x01, 0xfe, 0xff]) {
    const bytes = new Uint8Array(4096).fill(byte);
    bytes.set([0xff, 0xd8]);
    assert.equal(readSize(bytes), null);
  }
});

test("pictures of 64 million pixels are taken, larger or longer ones are refused", () => {
  for (const [width, height] of [
    [1, 1],
    [8000, 8000],
    [65535, 900],
    [1, 65535],
  ]) {
    checkSize({ width, height });
  }
  for (const [width, height] of [
    [12000, 9000],
    [65536, 1],
    [1, 65536],
    [8001, 8000],
  ]) {
    assert.throws(() => checkSize({ width, height }), {
      name: "ConfigError",
      message:
        `image: got ${width} x ${height} pixels, expected at most 64 million, and no side over ` +
        `65535. Give a smaller picture.`,
    });
  }
});
