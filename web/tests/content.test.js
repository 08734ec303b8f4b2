import assert from "node:assert/strict";
import test from "node:test";

import { readContent } from "../runtime/content.js";
import { ConfigError, UnsupportedError } from "../runtime/errors.js";
import { checkChatRequest } from "../runtime/request.js";

const URL = "data:image/png;base64,AAAA";
const picture = new Blob(["x"]);

test("a text is a text, and a list gives texts and pictures in order", () => {
  assert.deepEqual(readContent("hi", "content"), { text: "hi", images: [] });
  const parts = [
    { type: "image_url", image_url: { url: URL } },
    { type: "text", text: "detect " },
    { type: "image", image: picture },
    { type: "text", text: "cat" },
  ];
  assert.deepEqual(readContent(parts, "content"), { text: "detect cat", images: [URL, picture] });
});

test("a request has the texts of its messages, and all pictures", () => {
  const content = [
    { type: "image", image: picture },
    { type: "text", text: "caption en" },
  ];
  const request = /** @type {any} */ ({ messages: [{ role: "user", content }] });
  const { messages, images } = checkChatRequest(request, {
    id: "x",
    generation: { stop_token_ids: [] },
  });
  assert.deepEqual(messages, [{ role: "user", content: "caption en" }]);
  assert.deepEqual(images, [picture]);
});

/** @type {[string, unknown, string][]} */
const refused = [
  [
    "a number",
    5,
    "'content': got 5, expected a text, or a list of parts of type text, image_url or",
  ],
  ["an empty list", [], "'content': got [], expected a text"],
  ["null", [null], "'content[0].type': got undefined, expected text, image_url, image."],
  [
    "a sound",
    [{ type: "input_audio", input_audio: {} }],
    `'content[0].type': got "input_audio", expected text, image_url, image.`,
  ],
  [
    "a property of every object",
    [{ type: "constructor", constructor: "x" }],
    `'content[0].type': got "constructor"`,
  ],
  [
    "a picture of another host",
    [{ type: "image_url", image_url: { url: "https://example.org/cat.png" } }],
    `'content[0].image_url.url': got "https://example.org/cat.png", expected a data: or blob: URL`,
  ],
  [
    "a level of detail",
    [{ type: "image_url", image_url: { url: URL, detail: "high" } }],
    "'content[0].image_url.detail' is not supported (have url). Leave it out.",
  ],
  [
    "a URL in place of an object",
    [{ type: "image_url", image_url: 5 }],
    "'content[0].image_url.url': got undefined",
  ],
  [
    "a picture that is none",
    [{ type: "image", image: "cat.png" }],
    `'content[0].image': got "cat.png", expected a Blob, a File or an ImageBitmap.`,
  ],
  [
    "another field",
    [{ type: "text", text: "a", cache: true }],
    "'content[0].cache' is not supported (have text). Leave it out.",
  ],
];

for (const [name, content, message] of refused) {
  test(`${name} is refused`, () => {
    assert.throws(
      () => readContent(content, "content"),
      (error) => {
        assert.ok(error instanceof ConfigError || error instanceof UnsupportedError);
        assert.ok(error.message.startsWith(`request: ${message}`), error.message);
        return true;
      },
    );
  });
}
