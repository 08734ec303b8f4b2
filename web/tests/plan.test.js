import assert from "node:assert/strict";
import test from "node:test";

import { doubts } from "../app/needs.js";
import { GpuError } from "../runtime/errors.js";
import { checkLimits, usableVariants } from "../runtime/plan.js";

const MiB = 2 ** 20;
const variants = [
  { name: "software", requires: ["subgroups"], adapter: "software", symbols: {} },
  { name: "f16+subgroups", requires: ["shader-f16", "subgroups"], symbols: {} },
  { name: "f16", requires: ["shader-f16"], symbols: {} },
  { name: "f32", requires: [], symbols: {} },
];
/** @type {any} */
const program = {
  variants,
  buffers: { cache: { kind: "cache", nbytes: `context_window_size * ${MiB}` } },
  phases: { decode: [{ bindings: [{ buffer: "cache" }] }] },
};
/** @type {(features: string[], architecture: string) => any} */
const adapter = (features, architecture = "gpu") => ({
  features: new Set(features),
  limits: { maxBufferSize: 2048 * MiB, maxStorageBufferBindingSize: 300 * MiB },
  info: { vendor: "", architecture, description: "" },
});

test("a context that the limits do not allow is refused with the largest that they do", () => {
  const check = (/** @type {number} */ context) =>
    checkLimits(/** @type {any} */ ({ limits: {} }), program, variants[3], context, adapter([]));
  check(300);
  assert.throws(
    () => check(1000),
    new GpuError(
      `maxStorageBufferBindingSize: this GPU has ${300 * MiB}, the model needs ${1000 * MiB}. ` +
        "Use a shorter context or a smaller model. A context of 300 tokens would fit.",
    ),
  );
});

test("where no context fits, none is proposed", () => {
  const manifest = /** @type {any} */ ({ limits: { maxBufferSize: 4096 * MiB } });
  assert.throws(
    () => checkLimits(manifest, program, variants[3], 8, adapter([])),
    (error) => error instanceof GpuError && error.message.endsWith("or a smaller model."),
  );
});

test("variants to try come in order, without those that the adapter cannot run", () => {
  const names = (/** @type {any} */ one, /** @type {string} [name] */ name = undefined) =>
    usableVariants(program, one, name).map((variant) => variant.name);
  assert.deepEqual(names(adapter(["shader-f16", "subgroups"])), ["f16+subgroups", "f16", "f32"]);
  assert.deepEqual(names(adapter(["subgroups"])), ["f32"]);
  assert.deepEqual(names(adapter(["subgroups"], "swiftshader")), ["software", "f32"]);
  assert.deepEqual(names(adapter(["shader-f16", "subgroups"]), "f16"), ["f16"]);
});

test("doubts are about memory that is known and room that is short", () => {
  /** @type {(needs: object) => string} */
  const say = (needs) =>
    doubts(
      /** @type {any} */ ({
        peak_nbytes: 3e9,
        download_nbytes: 2e9,
        stored_nbytes: 0,
        free_storage_nbytes: null,
        device_memory_nbytes: null,
        ...needs,
      }),
    );
  assert.equal(say({}), "");
  assert.equal(say({ device_memory_nbytes: 8 * 2 ** 30, free_storage_nbytes: 9e9 }), "");
  assert.equal(
    say({ device_memory_nbytes: 4 * 2 ** 30 }),
    ". This device has 4 GB of memory: it may be too little.",
  );
  assert.equal(say({ free_storage_nbytes: 3e8, stored_nbytes: 1.9e9 }), "");
  assert.equal(
    say({ free_storage_nbytes: 3e8 }),
    ". The browser has room to keep 300 MB: the rest would be downloaded each time.",
  );
});
