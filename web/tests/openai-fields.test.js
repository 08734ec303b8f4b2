/**
 * Every field of OpenAI's requests is honoured or refused by name; tests/types/openai.ts checks that
 * the list has them all.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { ConfigError } from "../runtime/errors.js";
import { checkChatRequest, checkCompletionRequest } from "../runtime/request.js";

const FIELDS = JSON.parse(
  readFileSync(new URL("../../tests/cases/openai-fields.json", import.meta.url), "utf8"),
);
const MODEL = /** @type {any} */ ({ id: "pebble", generation: {} });
/** @type {Record<string, [(request: any, model: any) => any, object]>} */
const CHECKS = {
  chat: [checkChatRequest, { messages: [{ role: "user", content: "hi" }] }],
  completion: [checkCompletionRequest, { prompt: "hi" }],
};

/** @type {(object: any, path: string) => unknown} */
const at = (object, path) => path.split(".").reduce((value, key) => value[key], object);

for (const [kind, [check, minimal]] of Object.entries(CHECKS)) {
  for (const [name, field] of Object.entries(/** @type {Record<string, any>} */ (FIELDS[kind]))) {
    const beside = field.with ? { [field.with]: FIELDS[kind][field.with].value } : {};
    const request = { ...minimal, ...beside, [name]: field.value };
    test(`${kind}: '${name}' is honoured or refused by name`, () => {
      if (field.checked) {
        const [path, expected] = field.checked;
        assert.deepEqual(at(check(request, MODEL), path), expected);
      } else {
        assert.throws(() => check(request, MODEL), {
          name: "UnsupportedError",
          message: new RegExp(`^request: '${name}' is not supported \\(have `),
        });
      }
    });
    test(`${kind}: '${name}' of null is left out`, () => {
      if (name in minimal) return;
      assert.deepEqual(at(check({ ...minimal, seed: 1, [name]: null }, MODEL), "n"), 1);
    });
  }
}

test("another model than the one that is loaded is refused", () => {
  assert.throws(
    () => checkChatRequest({ messages: [{ role: "user", content: "" }], model: "gpt-5" }, MODEL),
    new ConfigError(
      `request: 'model': got "gpt-5", expected "pebble", the model that is loaded, or none.`,
    ),
  );
});
