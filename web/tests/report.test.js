/** The report that people paste: complete, readable, and without their chats. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { kernelRows, reportText } from "../app/report.js";

const DEVICE = {
  browser: "Browser/1.0",
  adapter: {
    vendor: "acme",
    architecture: "gen-1",
    description: "",
    is_fallback: false,
    features: ["shader-f16", "subgroups"],
    limits: { maxBufferSize: 268435456 },
  },
  problem: null,
  storage: {
    kind: "opfs",
    refusal: null,
    used_nbytes: 7e6,
    quota_nbytes: 1e9,
    is_persistent: false,
  },
};
const KERNELS = [
  { phase: "decode", name: "quick", dispatches: 2, seconds: 0.001, weights_nbytes: 0 },
  { phase: "decode", name: "slow", dispatches: 4, seconds: 0.003, weights_nbytes: 6e6 },
  { phase: "prefill", name: "tiles", dispatches: 1, seconds: 0.5, weights_nbytes: 6e6 },
];
const WHOLE = {
  ...DEVICE,
  tool: "webgemma 0.1.0",
  model: {
    id: "pebble",
    name: "Pebble",
    architecture: "gemma2",
    num_parameters: 3.4e6,
    storage: ["f16"],
    version: 1,
    program_version: 1,
    num_shards: 1,
  },
  variant: "f16",
  context_window_size: 1024,
  device: { features: [], limits: {}, error: null },
  memory: {
    weights_nbytes: 7e6,
    cache_nbytes: 4e6,
    scratch_nbytes: 4e6,
    loading_nbytes: 14e6,
    total_nbytes: 15e6,
    peak_nbytes: 29e6,
    in_use_nbytes: 15e6,
    num_buffers: 51,
  },
  self_test: {
    passed: "f16",
    failed: [{ variant: "f16+subgroups", reason: "q is off by 1.0e-1" }],
  },
  measured: {
    clock: "timestamp-query",
    chunk: 256,
    first_token_seconds: 0.08,
    prefill: [{ tokens: 16, seconds_per_token: 0.005 }],
    decode: [{ tokens: 16, seconds_per_token: 0.02 }],
    kernels: KERNELS,
  },
};

test("kernels come the slowest first, with their share and the rate of their weights", () => {
  assert.deepEqual(kernelRows(KERNELS.slice(0, 2)), [
    ["slow", "4", "3.00", "75.0 %", "2.0"],
    ["quick", "2", "1.00", "25.0 %", ""],
  ]);
});

test("a report says all that is known", () => {
  const text = reportText(WHOLE);
  for (const line of [
    "- Adapter: acme gen-1",
    "- Self-test: f16 passed; f16+subgroups failed: q is off by 1.0e-1",
    "- Failure: none",
    "- In use: 15 MB in 51 buffers",
    "- In use: 7.0 MB of 1.00 GB",
    "- Tokens behind 16: 50.0 tokens/s, 20.00 ms each",
    "- First token: 80 ms after the shortest prompt",
    "- Kernels by: the GPU's clock",
    "### Kernels of 256 tokens of a prompt",
    "| tiles | 1 | 500.00 | 100.0 % | 0.0 |",
    "shader-f16, subgroups",
    "- maxBufferSize: 268435456",
  ]) {
    assert.ok(text.split("\n").includes(line), `${line} in\n${text}`);
  }
});

test("without a model, and without a GPU, it says why", () => {
  const text = reportText({ ...DEVICE, adapter: null, problem: "this browser has no WebGPU" });
  assert.ok(text.includes("- GPU: this browser has no WebGPU\n"));
  assert.ok(!text.includes("### Model"));
  assert.ok(!text.includes("### Limits"));
});
