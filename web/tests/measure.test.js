/** Timing and the choice of what to measure; tests/browser/test_diagnostics.py runs it on a GPU. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseLengths, kernelGroups } from "../runtime/measure.js";
import { Timer, median, recordSteps } from "../runtime/timing.js";

globalThis.GPUBufferUsage = { QUERY_RESOLVE: 0x200, COPY_SRC: 4 };

/** A runner whose GPU takes a given time for every recorded loop, by the clock it has. */
class SlowRunner {
  constructor(msPerLoop, features, stamped = true) {
    Object.assign(this, { msPerLoop, stamped, loops: 0, lost: new Promise(() => {}) });
    const pass = { end() {} };
    const encoder = {
      beginComputePass: () => pass,
      resolveQuerySet() {},
      finish: () => "commands",
    };
    this.device = {
      features: new Set(features),
      createQuerySet: () => ({ destroy() {} }),
      createBuffer: () => ({ destroy() {} }),
      createCommandEncoder: () => encoder,
      queue: { submit: () => {} },
    };
    this.staging = {
      read: async () => {
        const nanoseconds = this.stamped ? BigInt(Math.round(1e6 * this.elapsed)) : 0n;
        return new BigUint64Array([100n, 100n + nanoseconds]).buffer;
      },
    };
  }

  async finished() {
    this.elapsed = this.msPerLoop * this.loops;
    this.loops = 0;
    if (!this.device.features.has("timestamp-query") || !this.stamped) {
      await new Promise((resolve) => setTimeout(resolve, this.elapsed));
    }
  }
}

test("short dispatches are looped, and the GPU's clock is believed", async () => {
  for (const msPerLoop of [0.25, 5, 80]) {
    const runner = new SlowRunner(msPerLoop, ["timestamp-query"]);
    const timer = new Timer(runner);
    let most = 0;
    const record = () => (most = Math.max(most, ++runner.loops));
    const got = await timer.medianMs(record, 3, 1000);
    assert.ok(Math.abs(got - msPerLoop) < 1e-3, `${got} for ${msPerLoop}`);
    assert.ok(most * msPerLoop >= 30);
    assert.equal(timer.clock, "timestamp-query");
  }
});

test("without a clock, or where its stamps are zero, the host's counts", async () => {
  for (const [features, stamped] of [
    [[], true],
    [["timestamp-query"], false],
  ]) {
    const runner = new SlowRunner(10, features, stamped);
    const got = await new Timer(runner).medianMs(() => runner.loops++, 3, 1000);
    assert.ok(got >= 9 && got < 40, String(got));
  }
});

test("no measurement is begun when its time is over", async () => {
  const runner = new SlowRunner(60, []);
  let recorded = 0;
  await new Timer(runner).medianMs(() => (recorded++, runner.loops++), 50, 100);
  assert.ok(recorded <= 3, String(recorded));
});

test("medians", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
});

test("lengths are those asked for, or the usual ones that fit", () => {
  assert.deepEqual(chooseLengths(undefined, [16, 128, 512], 200, "prompt"), [16, 128]);
  assert.deepEqual(chooseLengths(undefined, [16, 128], 10, "prompt"), [10]);
  assert.deepEqual(chooseLengths([7], [16], 10, "prompt"), [7]);
  assert.throws(() => chooseLengths([0], [16], 200, "prompt"), {
    message: "prompt: got 0 tokens, expected 1 to 200 (the context).",
  });
});

test("a kernel's steps are grouped and recorded with their own sizes", () => {
  const phases = { decode: [{ kernel: "a" }, { kernel: "b" }, { kernel: "a" }] };
  const runner = {
    program: { phases },
    symbols: { context_window_size: 64 },
    steps: new Map([
      [
        "decode",
        ["first", "second", "third"].map((pipeline) => ({
          pipeline,
          group: `group of ${pipeline}`,
          dispatch: [({ position }) => position, (s) => s.context_window_size, () => 1],
        })),
      ],
    ]),
  };
  const [a, b] = kernelGroups(runner, "decode");
  assert.deepEqual([a.kernel, a.numbers, b.kernel, b.numbers], ["a", [0, 2], "b", [1]]);
  const calls = [];
  recordSteps(runner, "decode", a.numbers, { position: 5, num_tokens: 1 })({
    setPipeline: (pipeline) => calls.push(pipeline),
    setBindGroup: (index, group) => calls.push(index, group),
    dispatchWorkgroups: (...sizes) => calls.push(sizes),
  });
  assert.deepEqual(calls, [
    ...["first", 0, "group of first", [5, 64, 1]],
    ...["third", 0, "group of third", [5, 64, 1]],
  ]);
});
