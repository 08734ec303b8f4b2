import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { Drafter, Lookup } from "../runtime/draft.js";

const CASES = JSON.parse(
  readFileSync(new URL("../../tests/cases/draft.json", import.meta.url), "utf8"),
);

for (const { why, tokens, count, following } of CASES.following) {
  test(`what follows is what followed before: ${why}`, () => {
    assert.deepEqual(new Lookup(tokens).following(count), following);
  });
}

for (const { why, prompt, events } of CASES.drafts) {
  test(`drafts come where they pay: ${why}`, () => {
    const drafter = new Drafter(prompt);
    let [drafted, accepted] = [0, 0];
    for (const [name, ...values] of events) {
      if (name === "draft") assert.deepEqual(drafter.draft(values[0]), values[1]);
      else if (name === "push") drafter.push(values[0]);
      else if (name === "decoded") drafter.decoded(values[0], values[1]);
      else drafter.verified(values[0], values[1], values[2]);
      if (name === "verified") [drafted, accepted] = [drafted + values[0], accepted + values[1]];
    }
    assert.deepEqual([drafter.draftedTokens, drafter.acceptedTokens], [drafted, accepted]);
  });
}
