import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { ConfigError } from "../runtime/errors.js";
import {
  GREEDY,
  Sampler,
  gumbel,
  keep,
  mix,
  noiseBound,
  readsLogits,
} from "../runtime/sampling.js";

const CASES = JSON.parse(
  readFileSync(new URL("../../tests/cases/sampling.json", import.meta.url), "utf8"),
);

test("the hash has every bit right", () => {
  assert.deepEqual([0, 1, 2 ** 32 - 1].map(mix), CASES.mix);
});

test("the bound of the noise is one, and a close one", () => {
  const hashes = Array.from({ length: 100000 }, (_, i) => mix(i));
  for (const hash of [0, 511, 512, 2 ** 32 - 1, 2 ** 32 - 513, ...hashes]) {
    assert.ok(gumbel(hash) < noiseBound(hash));
    assert.ok(hash >>> 9 < 2 ** 22 || gumbel(hash) > noiseBound(hash) - 1.1);
  }
});

for (const { sampling, prompt, logits, tokens, logprobs } of CASES.chosen) {
  test(`${JSON.stringify(sampling)} chooses as the Python twin`, () => {
    const sampler = new Sampler({ ...GREEDY, ...sampling }, prompt, logits.length);
    const choices = tokens.map(() => sampler.choose(Float32Array.from(logits)));
    const ids = choices.map((/** @type {any} */ choice) => choice.token_id);
    assert.deepEqual(ids, tokens);
    logprobs?.forEach((/** @type {number} */ expected, /** @type {number} */ i) => {
      assert.ok(Math.abs(choices[i].logprob - expected) < 1e-9);
      assert.equal(choices[i].top_logprobs.length, sampling.top_logprobs);
    });
  });
}

test("of a large vocabulary the filters keep what sorting all of it would", () => {
  const scores = Float64Array.from({ length: 50000 }, (_, i) => Math.sin(i * i) * 9);
  const order = Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a]);
  assert.deepEqual(keep(scores, { ...GREEDY, top_k: 1000 }), order.slice(0, 1000));
  const kept = /** @type {number[]} */ (keep(scores, { ...GREEDY, top_p: 0.9 }));
  const mass = (/** @type {number[]} */ ids) =>
    ids.reduce((sum, id) => sum + Math.exp(scores[id]), 0);
  assert.deepEqual(kept, order.slice(0, kept.length));
  assert.ok(mass(kept) >= 0.9 * mass(order));
  assert.ok(mass(kept.slice(0, -1)) < 0.9 * mass(order));
});

test("the logits are read only where the program's own choice is not enough", () => {
  assert.equal(readsLogits(GREEDY), false);
  assert.equal(readsLogits({ ...GREEDY, temperature: 1, seed: 5 }), false);
  assert.equal(readsLogits({ ...GREEDY, top_k: 5, top_p: 0.5, min_p: 0.1 }), false);
  assert.equal(readsLogits({ ...GREEDY, temperature: 1, top_k: 5 }), true);
  assert.equal(readsLogits({ ...GREEDY, logit_bias: { 5: 1 } }), true);
  assert.equal(readsLogits({ ...GREEDY, top_logprobs: 0 }), true);
  assert.equal(readsLogits({ ...GREEDY, repetition_penalty: 1.1 }), true);
});

test("a bias for a token that is not in the vocabulary is refused", () => {
  assert.throws(
    () => new Sampler({ ...GREEDY, logit_bias: { 60: 1 } }, [], 60),
    new ConfigError("logit_bias: got token 60, expected 0 to 59."),
  );
});
