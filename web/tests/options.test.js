import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { ConfigError } from "../runtime/errors.js";
import { OPTIONS, checkOptions } from "../runtime/options.js";

const CASES = JSON.parse(
  readFileSync(new URL("../../tests/cases/options.json", import.meta.url), "utf8"),
);

for (const { options, generation, expected } of CASES.checked) {
  test(`${JSON.stringify(options)} is filled in`, () => {
    const checked = checkOptions(options, generation);
    const { seed } = checked.sampling;
    assert.ok(seed >= 0 && seed < 2 ** 32);
    const sampling = { seed, ...expected.sampling };
    assert.deepEqual(checked, { ...expected, sampling });
    assert.ok(Object.keys(options).every((name) => OPTIONS.includes(name)));
  });
}

for (const [options, message] of CASES.refused) {
  test(`${JSON.stringify(options)} is refused`, () => {
    assert.throws(() => checkOptions(options, {}), new ConfigError(message));
  });
}
