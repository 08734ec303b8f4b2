import assert from "node:assert/strict";
import test from "node:test";

import {
  formatBytes,
  formatCount,
  formatDownload,
  formatRate,
  formatSeconds,
} from "../app/format.js";
import { estimate } from "../app/about.js";
import { decodeEntities, safeHref } from "../app/markdown.js";
import { readQuery } from "../app/query.js";

test("sizes, counts, times and rates read well", () => {
  assert.deepEqual([1, 999_500, 1e6, 6_833_152, 9.99e7, 262e6, 1.71e9].map(formatBytes), [
    "1 kB",
    "1000 kB",
    "1.0 MB",
    "6.8 MB",
    "100 MB",
    "262 MB",
    "1.71 GB",
  ]);
  assert.deepEqual([950, 3_412_224, 2.6e9].map(formatCount), ["950", "3.4 million", "2.6 billion"]);
  assert.deepEqual([0.2, 59, 61, 3599, 3600, 5400].map(formatSeconds), [
    "1 s",
    "59 s",
    "1 min",
    "60 min",
    "1 h 0 min",
    "1 h 30 min",
  ]);
  assert.deepEqual([0.53, 9.94, 38.4].map(formatRate), [
    "0.5 tokens/s",
    "9.9 tokens/s",
    "38 tokens/s",
  ]);
});

test("a download says what is left only when it knows", () => {
  const progress = { loaded_nbytes: 22e6, total_nbytes: 262e6, rate: 48e6 };
  assert.equal(formatDownload(progress), "22 MB of 262 MB · 48 MB/s · 5 s left");
  assert.equal(formatDownload({ ...progress, rate: 0 }), "22 MB of 262 MB");
  assert.equal(formatDownload({ ...progress, loaded_nbytes: 262e6 }), "262 MB of 262 MB");
});

test("links keep http, https and mailto, and nothing else", () => {
  assert.equal(safeHref("https://example.org/a b"), "https://example.org/a%20b");
  assert.equal(safeHref("http://example.org"), "http://example.org/");
  assert.equal(safeHref("mailto:a@example.org"), "mailto:a@example.org");
  const refused = [
    "javascript:alert(1)",
    " javascript:alert(1)",
    "java\tscript:alert(1)",
    "JAVASCRIPT:alert(1)",
    "data:text/html,x",
    "blob:https://example.org/x",
    "file:///etc/passwd",
    "//example.org",
    "/absolute",
    "relative",
    "#fragment",
    "",
    undefined,
  ];
  for (const href of refused) assert.equal(safeHref(href), null, String(href));
});

test("character references become characters, once", () => {
  assert.equal(decodeEntities("&lt;b&gt; &amp;amp; &#65;&#x42; &nbsp;|"), "<b> &amp; AB \u00a0|");
  assert.equal(
    decodeEntities("&#0; &#xD800; &#x110000; &unknown; &lt"),
    "&#0; &#xD800; &#x110000; &unknown; &lt",
  );
});

test("the address sets what it names, and only with sound values", () => {
  assert.deepEqual(
    readQuery(
      "?model=a&variant=f32&context=512&temperature=0.5&top_p=0.9&top_k=40&max_tokens=9&seed=1",
    ),
    {
      model: "a",
      variant: "f32",
      context: 512,
      temperature: 0.5,
      topP: 0.9,
      topK: 40,
      maxTokens: 9,
      seed: 1,
    },
  );
  const none = readQuery("?context=-1&temperature=1e9&seed=x");
  assert.deepEqual([none.context, none.temperature, none.seed], [undefined, undefined, undefined]);
});

test("a figure is shown to the digits that its error leaves", () => {
  const cases = [
    [40.4182, 0.4721, "40.42 ± 0.47"],
    [0.033667, 0.002958, "0.0337 ± 0.0030"],
    [12345.6, 98.7, "12346 ± 99"],
    [1, 0, "1.0000 ± 0.0000"],
  ];
  for (const [value, error, text] of cases) assert.equal(estimate({ value, error }), text);
});
