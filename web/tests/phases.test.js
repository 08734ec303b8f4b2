import assert from "node:assert/strict";
import test from "node:test";

import { phasesOf } from "../runtime/phases.js";

const [reads, writes] = [{ type: "read-only-storage" }, { type: "storage" }];
const kernels = {
  embed: { bindings: [writes] },
  qkv: { bindings: [reads, writes] },
  attention: { bindings: [reads, writes] },
  head: { bindings: [reads] },
  pick: { bindings: [writes] },
};
const buffers = { x: { kind: "scratch" }, cache: { kind: "cache" } };
/** @type {(kernel: keyof typeof kernels, ...names: string[]) => any} */
const step = (kernel, ...names) => ({ kernel, bindings: names.map((buffer) => ({ buffer })) });
const [embed, qkv, attention] = [
  step("embed", "x"),
  step("qkv", "x", "cache"),
  step("attention", "cache", "x"),
];
const sample = [step("head", "x"), step("pick", "x")];
const phasesWith = (/** @type {any} */ phases) =>
  phasesOf(/** @type {any} */ ({ kernels, buffers, phases }));

test("a token of a prompt is not chosen, and but for the last only fills the caches", () => {
  const layers = [embed, qkv, attention, qkv, attention];
  const { append, ...phases } = phasesWith({ sample, decode: [...layers, ...sample] });
  assert.deepEqual(phases, { sample, decode: [...layers, ...sample], layers });
  assert.deepEqual(append, [embed, qkv, attention, qkv]);
});

test("a program whose decode ends otherwise has its own phases alone", () => {
  for (const decode of [[embed, qkv], [embed, qkv, step("pick", "x")], [...sample, qkv], []]) {
    assert.deepEqual(phasesWith({ sample, decode }), { sample, decode });
  }
  assert.deepEqual(phasesWith({ sample: [], decode: [qkv] }), { sample: [], decode: [qkv] });
});
