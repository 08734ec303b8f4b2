import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";

import { normalize } from "../runtime/image/prepare.js";
import { Resizer, pixelTaps, resize } from "../runtime/image/resize.js";

const url = new URL("../../tests/cases/resize.json", import.meta.url);
const cases = JSON.parse(await readFile(url, "utf8"));

/**
 * The picture of tests/support/speckles.py, with an alpha that must not matter.
 * @param {number} width
 * @param {number} height
 * @returns {Uint8Array} [height, width, 4]
 */
function speckles(width, height) {
  const pixels = new Uint8Array(width * height * 4);
  const half = Math.floor(height / 2) * width;
  for (let i = 0; i < width * height * 3; i++) {
    const noise = Math.imul(i, 2654435761);
    const level = Math.imul(noise ^ (noise >>> 15), 2246822519) >>> 24;
    const pixel = Math.floor(i / 3);
    pixels[pixel * 4 + (i % 3)] = pixel < half ? (level > 127 ? 255 : 0) : level;
    pixels[pixel * 4 + 3] = i;
  }
  return pixels;
}

for (const { from: source, to: target, pixels: expected } of cases) {
  const [from, to] = [source, target].map(([width, height]) => ({ width, height }));
  test(`${source.join(" x ")} to ${target.join(" x ")} is Pillow's in every pixel`, () => {
    const resized = resize(from, speckles(from.width, from.height), to);
    assert.deepEqual(Buffer.from(resized), Buffer.from(expected, "base64"));
  });
}

test("strips of any height give the same", () => {
  const [from, to] = [
    { width: 20, height: 31 },
    { width: 9, height: 7 },
  ];
  const pixels = speckles(20, 31);
  const resizer = new Resizer(from, to);
  for (const [start, stop] of [
    [0, 1],
    [1, 14],
    [14, 31],
  ]) {
    resizer.push(pixels.subarray(start * 80, stop * 80), 80);
  }
  assert.deepEqual(resizer.finish(), resize(from, pixels, to));
});

test("all weights of a pixel are one", () => {
  for (const [length, target] of [
    [4032, 224],
    [3, 224],
    [224, 224],
    [225, 224],
  ]) {
    for (const { first, weights } of pixelTaps(length, target)) {
      const sum = weights.reduce((total, weight) => total + weight, 0);
      assert.ok(Math.abs(sum - 2 ** 22) <= weights.length);
      assert.ok(first >= 0 && first + weights.length <= length);
    }
  }
});

test("pixels are normalized by channel, and channels lie one after the other", () => {
  const pixels = Uint8Array.of(0, 255, 51, 255, 0, 51);
  const planes = normalize(pixels, [0.5, 0.5, 0.5], [0.5, 0.5, 0.25]);
  const blue = Math.fround((51 / 255 - 0.5) / 0.25);
  assert.deepEqual([...planes], [-1, 1, 1, -1, blue, blue]);
});
