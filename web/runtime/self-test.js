/**
 * Runs a model's self-test (docs/program.md): its kernels on a little of its weights, compared with
 * answers that were computed when the site was built. The twin of webgemma/runtime/self_test.py.
 */

/** @import { LoadOptions, Manifest, SelfTestProgram, SelfTestReport, Variant } from "./types.d.ts" */
/** @import { FetchOptions } from "./files.js" */
/** @import { ReadShader } from "./runner.js" */

import { describeAdapter, requestAdapter, requestDevice } from "./device.js";
import { GpuError, WebGemmaError } from "./errors.js";
import { fetchFile, fetchJson } from "./files.js";
import { Runner } from "./runner.js";

const FILE = "self-test.json";
const DATA = "self-test.bin";

/**
 * Whether to run the self-test, if the site has one.
 * @param {GPUAdapter} adapter
 * @param {Manifest} manifest
 * @param {LoadOptions["selfTest"]} [asked] "auto" where it is left out
 * @returns {boolean}
 */
export function wantsSelfTest(adapter, manifest, asked = "auto") {
  if (!manifest.files[FILE] || asked === "never") return false;
  return asked === "always" || !describeAdapter(adapter).is_fallback;
}

/**
 * The first variant whose kernels compute what they should, beginning with the one that was chosen.
 * @param {URL} base
 * @param {Manifest} manifest
 * @param {Variant[]} candidates in order of preference
 * @param {ReadShader} readShader
 * @param {FetchOptions} fetching
 * @returns {Promise<{variant: Variant, report: SelfTestReport}>}
 */
export async function chooseByTest(base, manifest, candidates, readShader, fetching) {
  /** @type {[SelfTestProgram, Uint8Array<ArrayBuffer>]} */
  const [program, data] = await Promise.all([
    fetchJson(base, FILE, manifest, fetching),
    fetchFile(base, DATA, manifest, fetching),
  ]);
  /** @type {SelfTestReport["failed"]} */
  const failed = [];
  for (const variant of candidates) {
    const reason = await whatIsWrong(program, data, variant, readShader);
    if (!reason) return { variant, report: { passed: variant.name, failed } };
    failed.push({ variant: variant.name, reason });
  }
  const list = failed.map(({ variant, reason }) => `${variant}: ${reason}`).join("; ");
  throw new GpuError(
    `this GPU or its driver computes wrong numbers (${list}). Nothing was downloaded. ` +
      `Update the browser and the graphics driver, or use another device.`,
  );
}

/**
 * Why a variant cannot be used; null if it computes what it should.
 * @param {SelfTestProgram} program
 * @param {Uint8Array<ArrayBuffer>} data
 * @param {Variant} variant
 * @param {ReadShader} readShader
 * @returns {Promise<string | null>}
 */
async function whatIsWrong(program, data, variant, readShader) {
  const device = await requestDevice(await requestAdapter(), variant, {});
  const contextWindowSize = program.max_context_window_size;
  try {
    const runner = new Runner(device, program, readShader, { variant, contextWindowSize });
    try {
      return await firstDifference(runner, program, data);
    } finally {
      runner.destroy();
    }
  } catch (error) {
    if (error instanceof GpuError) return error.message; // a shader that does not compile, a loss
    if (error instanceof WebGemmaError) throw error;
    return String(error);
  }
}

/**
 * Run the test; say which output is not what it should be.
 * @param {Runner} runner
 * @param {SelfTestProgram} program
 * @param {Uint8Array<ArrayBuffer>} data
 * @returns {Promise<string | null>}
 */
async function firstDifference(runner, { self_test: test }, data) {
  const cut = (/** @type {{offset: number, nbytes: number}} */ { offset, nbytes }) =>
    data.subarray(offset, offset + nbytes);
  await runner.allocated;
  for (const [record, place] of Object.entries(test.records)) runner.upload(record, cut(place));
  await runner.ready();
  for (const { phase, num_tokens, position } of test.runs) {
    runner.writeState({ num_tokens, position });
    await runner.prepare(phase);
    runner.run(phase, { num_tokens, position });
  }
  const most = test.max_error[runner.variant.requires.includes("shader-f16") ? "f16" : "f32"];
  for (const check of test.checks) {
    const got = new Float32Array(await runner.read(check.buffer, 0, check.nbytes));
    const error = relativeError(got, new Float32Array(cut(check).slice().buffer));
    if (!(error <= most)) return `${check.buffer} is off by ${error.toExponential(1)}`;
  }
  return null;
}

/**
 * |got - expected|² / |expected|²
 * @param {Float32Array} got
 * @param {Float32Array} expected
 * @returns {number}
 */
export function relativeError(got, expected) {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += (got[i] - expected[i]) ** 2;
    size += expected[i] ** 2;
  }
  return difference / size;
}
