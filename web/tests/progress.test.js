import assert from "node:assert/strict";
import test from "node:test";

import { ProgressMeter } from "../runtime/progress.js";
import { usage } from "../runtime/completion.js";

test("bytes are counted, the rate is that of the last seconds, reports are rare", () => {
  let time = 0;
  /** @type {import("../runtime/types.d.ts").Progress[]} */
  const reports = [];
  const meter = new ProgressMeter(
    (progress) => reports.push(progress),
    () => time,
  );
  meter.begin("weights", 40_000);
  for (let i = 0; i < 1000; i++) {
    time += 10;
    meter.add(i < 500 ? 10 : 30);
  }
  assert.equal(meter.loaded, 20_000);
  assert.ok(reports.length >= 100 && reports.length <= 102, `${reports.length} reports`);
  const last = reports[reports.length - 1];
  assert.equal(last.total_nbytes, 40_000);
  assert.ok(Math.abs(last.rate - 3000) < 1, `${last.rate}`); // 30 bytes every 10 ms
});

test("bytes that are thrown away are taken back", () => {
  const meter = new ProgressMeter(() => {});
  meter.begin("weights", 100);
  meter.add(60);
  meter.add(-60);
  meter.add(100);
  assert.equal(meter.loaded, 100);
});

test("usage counts only the tokens that were prefilled", () => {
  const generation = {
    finish_reason: /** @type {const} */ ("stop"),
    cached_tokens: 90,
    num_tokens: 21,
    prefill_duration_ms: 500,
    decode_duration_ms: 2000,
    drafted_tokens: 14,
    accepted_tokens: 5,
  };
  assert.deepEqual(usage(100, [generation]), {
    prompt_tokens: 100,
    completion_tokens: 21,
    total_tokens: 121,
    prompt_tokens_details: { cached_tokens: 90 },
    extra: {
      cached_tokens: 90,
      prefill_duration_ms: 500,
      decode_duration_ms: 2000,
      prefill_tokens_per_s: 20,
      decode_tokens_per_s: 10,
      drafted_tokens: 14,
      accepted_tokens: 5,
      interrupted: false,
    },
  });
  const { extra } = usage(100, [{ ...generation, num_tokens: 0, decode_duration_ms: 0 }]);
  assert.equal(extra.decode_tokens_per_s, 0);
});

test("usage of several choices is their sum; the prompt counts once", () => {
  const first = {
    finish_reason: /** @type {const} */ ("stop"),
    cached_tokens: 0,
    num_tokens: 11,
    prefill_duration_ms: 1000,
    decode_duration_ms: 1000,
    drafted_tokens: 7,
    accepted_tokens: 7,
  };
  const second = { ...first, cached_tokens: 99, prefill_duration_ms: 10 };
  const aborted = { ...second, finish_reason: /** @type {const} */ ("abort"), num_tokens: 1 };
  const { extra, ...counts } = usage(100, [first, second, aborted]);
  assert.deepEqual(counts, {
    prompt_tokens: 100,
    completion_tokens: 23,
    total_tokens: 123,
    prompt_tokens_details: { cached_tokens: 0 },
  });
  assert.equal(extra.prefill_tokens_per_s, 102000 / 1020);
  assert.equal(extra.decode_tokens_per_s, 20 / 3);
  assert.deepEqual([extra.drafted_tokens, extra.accepted_tokens], [21, 21]);
  assert.equal(extra.interrupted, true);
});
