import assert from "node:assert/strict";
import test from "node:test";

import { adapterKinds, chooseContext, neededLimits, requiredLimits } from "../runtime/device.js";
import { ConfigError, GpuError } from "../runtime/errors.js";
import { withDirectives } from "../runtime/pipelines.js";
import { cosSin } from "../runtime/runner.js";
import { chooseVariant } from "../runtime/variants.js";

const MiB = 2 ** 20;
const variants = [
  { name: "f16+subgroups", requires: ["shader-f16", "subgroups"], symbols: { kv_nbytes: 2 } },
  { name: "subgroups", requires: ["subgroups"], symbols: { kv_nbytes: 4 } },
  { name: "f32", requires: [], symbols: { kv_nbytes: 4 } },
];
const software = {
  name: "software",
  requires: ["subgroups"],
  adapter: "software",
  symbols: { kv_nbytes: 4 },
};

test("the first variant that the device can run is taken", () => {
  /** @type {[string[], string][]} */
  const cases = [
    [["shader-f16", "subgroups"], "f16+subgroups"],
    [["subgroups", "timestamp-query"], "subgroups"],
    [["shader-f16"], "f32"],
  ];
  for (const [features, name] of cases) {
    assert.equal(chooseVariant(variants, new Set(features)).name, name);
  }
});

test("a software adapter gets its own variant, others only when asked", () => {
  const all = [software, ...variants];
  const features = new Set(["shader-f16", "subgroups"]);
  assert.equal(chooseVariant(all, features, "auto", ["any", "software"]).name, "software");
  assert.equal(chooseVariant(all, features, "auto", ["any"]).name, "f16+subgroups");
  assert.equal(chooseVariant(all, features, "software", ["any"]).name, "software");
  assert.equal(chooseVariant(all, new Set(), "auto", ["any", "software"]).name, "f32");
});

test("an adapter is of the kinds that variants name", () => {
  /** @param {Partial<GPUAdapterInfo>} info */
  const kinds = (info) =>
    adapterKinds(
      /** @type {GPUAdapter} */ ({ info: { architecture: "", description: "", ...info } }),
    );
  assert.deepEqual(kinds({ architecture: "ampere" }), ["any"]);
  assert.deepEqual(kinds({ architecture: "swiftshader" }), ["any", "software"]);
  const lavapipe = ["any", "software", "lavapipe"];
  assert.deepEqual(kinds({ description: "llvmpipe (LLVM 15.0.6, 256 bits)" }), lavapipe);
  const fewerLanes = kinds({ description: "llvmpipe (LLVM 15.0.6, 128 bits)" });
  assert.deepEqual(fewerLanes, ["any", "software"]);
});

test("a variant that is asked for is taken or refused", () => {
  assert.equal(chooseVariant(variants, new Set(["subgroups"]), "f32").name, "f32");
  assert.throws(
    () => chooseVariant(variants, new Set(["subgroups"]), "f16+subgroups"),
    new GpuError("variant f16+subgroups: the device has no shader-f16. Choose auto or f32."),
  );
  assert.throws(
    () => chooseVariant(variants, new Set(), "q4"),
    new ConfigError("variant 'q4': expected auto or one of f16+subgroups, subgroups, f32."),
  );
});

test("directives share the first line with the shader's text", () => {
  assert.equal(withDirectives("fn main() {}", []), "fn main() {}");
  const text = withDirectives("fn main() {}", ["shader-f16", "subgroups"]);
  assert.equal(text, "enable f16; enable subgroups; fn main() {}");
});

test("limits up to the defaults are not asked for, those beyond are, too large ones refused", () => {
  const have = { maxBufferSize: 1024 * MiB, maxStorageBufferBindingSize: 512 * MiB };
  const fits = { maxBufferSize: 256 * MiB, maxStorageBufferBindingSize: 128 * MiB };
  assert.deepEqual(requiredLimits(fits, have), {});
  const larger = { ...fits, maxStorageBufferBindingSize: 300 * MiB };
  assert.deepEqual(requiredLimits(larger, have), { maxStorageBufferBindingSize: 300 * MiB });
  assert.throws(
    () => requiredLimits({ maxBufferSize: 2048 * MiB }, have),
    new GpuError(
      "maxBufferSize: this GPU has 1073741824, the model needs 2147483648. " +
        "Use a shorter context or a smaller model.",
    ),
  );
  assert.throws(() => requiredLimits({ maxMagic: 1 }, have), /maxMagic: this GPU has undefined/);
});

test("the caches' growth with the context counts among the limits", () => {
  /** @type {any} */
  const program = {
    buffers: { cache: { kind: "cache", nbytes: "context_window_size * 1024" } },
    phases: {
      decode: [{ bindings: [{ buffer: "cache", offset: 256, nbytes: "context_window_size" }] }],
    },
  };
  /** @type {any} */
  const manifest = { limits: { maxBufferSize: 5000, maxComputeInvocationsPerWorkgroup: 256 } };
  assert.deepEqual(neededLimits(manifest, program, { context_window_size: 8192 }), {
    maxBufferSize: 8192 * 1024,
    maxStorageBufferBindingSize: 8192,
    maxComputeInvocationsPerWorkgroup: 256,
  });
});

test("the context is the model's default or what is asked for, up to the maximum", () => {
  /** @type {any} */
  const manifest = { context: { default: 512, max: 2048 } };
  /** @type {any} */
  const program = { max_context_window_size: 1024 };
  assert.equal(chooseContext(manifest, program), 512);
  assert.equal(chooseContext(manifest, program, 1024), 1024);
  for (const asked of [0, -1, 1025, 1.5, NaN]) {
    assert.throws(() => chooseContext(manifest, program, asked), ConfigError);
  }
});

test("the table of cosines and sines has a row per position", () => {
  const table = cosSin([1, 0.5], 2, 4);
  const expected = [2, 3].flatMap((p) =>
    [1, 0.5].flatMap((f) => [Math.cos(p * f), Math.sin(p * f)]),
  );
  assert.deepEqual(Array.from(table), Array.from(Float32Array.from(expected)));
});
