import assert from "node:assert/strict";
import test from "node:test";

import { StopText } from "../runtime/stop.js";

/**
 * @param {string[]} stops
 * @param {string[]} pieces
 */
function run(stops, pieces) {
  const matcher = new StopText(stops);
  const given = pieces.map((piece) => matcher.push(piece));
  return { given, text: given.join("") + matcher.finish(), found: matcher.found };
}

test("without stop strings everything passes at once", () => {
  assert.deepEqual(run([], ["a", "b"]), { given: ["a", "b"], text: "ab", found: false });
});

test("text that may begin a stop string is held back until it is certain", () => {
  assert.deepEqual(run(["END"], ["a E", "N", "x"]), {
    given: ["a ", "", "ENx"],
    text: "a ENx",
    found: false,
  });
});

test("what was held back is given out at the end", () => {
  assert.deepEqual(run(["END"], ["EN"]), { given: [""], text: "EN", found: false });
});

test("nothing after a stop string comes out", () => {
  assert.deepEqual(run(["END"], ["ab E", "ND cd", "more"]), {
    given: ["ab ", "", ""],
    text: "ab ",
    found: true,
  });
});

test("the first of several stop strings counts", () => {
  assert.equal(run(["yz", "b"], ["abcyz"]).text, "a");
});

test("every cut of a text into pieces gives the same result", () => {
  const text = "aabaabaaaabab!";
  const stops = ["aabaaaab", "bb"];
  const whole = run(stops, [text]);
  for (let i = 0; i <= text.length; i++) {
    for (let j = i; j <= text.length; j++) {
      const pieces = [text.slice(0, i), text.slice(i, j), text.slice(j)];
      const cut = run(stops, pieces);
      assert.deepEqual([cut.text, cut.found], [whole.text, whole.found], JSON.stringify(pieces));
    }
  }
  assert.deepEqual([whole.text, whole.found], ["aab", true]);
});
