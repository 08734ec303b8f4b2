/** From the URL of a model's folder to a session that is ready to run. */

/** @import { LoadOptions, Manifest, ModelInfo, TensorCache } from "./types.d.ts" */
/** @import { FetchOptions } from "./files.js" */
/** @import { Constrainer } from "./structured/xgrammar.js" */

import { describeAdapter, neededLimits, requestAdapter, requestDevice } from "./device.js";
import { fetchJson, fetchManifest, fetchText } from "./files.js";
import { fetchProgram, folderUrl, planLoad, usableVariants } from "./plan.js";
import { ProgressMeter } from "./progress.js";
import { Runner } from "./runner.js";
import { chooseByTest, wantsSelfTest } from "./self-test.js";
import { Session } from "./session.js";
import { planShards, streamShards } from "./shards.js";
import { beginModel, completeModel } from "./store/library.js";
import { openStore } from "./store/store.js";
import { Tokenizer } from "./tokenizer.js";
import { Tuner } from "./tuner.js";
import { TuningMemory } from "./tuning.js";

const TENSOR_CACHE = "ndarray-cache.json";

/**
 * A model, loaded.
 * @typedef {object} Model
 * @property {Manifest} manifest
 * @property {Tokenizer} tokenizer
 * @property {Session} session
 * @property {Runner} runner
 * @property {ModelInfo} info
 * @property {Tuner | null} tuner null where it was not to be
 * @property {Constrainer} [constrainer] once a reply was to be JSON
 */

/**
 * Load a model: the program, then at the same time its shards, its tokenizer and its pipelines.
 * @param {string} url of the model's folder
 * @param {LoadOptions} [options]
 * @returns {Promise<Model>}
 */
export async function loadModel(url, options = {}) {
  const base = folderUrl(url);
  const meter = new ProgressMeter(options.onProgress ?? (() => {}));
  meter.begin("manifest");
  const store = await openStore(options.store);
  const { signal, stallTimeoutMs, retryPauseMs } = options;
  const fetching = { store, signal, stallTimeoutMs, retryPauseMs };
  const [adapter, manifest] = await Promise.all([requestAdapter(), fetchManifest(base, fetching)]);
  await beginModel(store, base, manifest);
  const [program, cache] = await Promise.all([
    fetchProgram(base, manifest, fetching),
    fetchJson(base, manifest.weights.path + TENSOR_CACHE, manifest, fetching),
  ]);
  const readShader = shaderReader(base, manifest, fetching);
  const variants = usableVariants(program, adapter, options.variant);
  const { tune = true } = options;
  const tuning = new TuningMemory(store, manifest.files["program.json"].sha256, adapter.info);
  const candidates = tune ? await tuning.candidates(variants) : variants;
  const { variant, report } = wantsSelfTest(adapter, manifest, options.selfTest)
    ? await chooseByTest(base, manifest, candidates, readShader, fetching)
    : { variant: candidates[0], report: null };
  const { contextWindowSize, memory } = planLoad(manifest, program, adapter, {
    ...options,
    variant: variant.name,
  });
  const symbols = { ...variant.symbols, context_window_size: contextWindowSize };
  const device = await requestDevice(adapter, variant, neededLimits(manifest, program, symbols));
  const runner = new Runner(device, program, readShader, {
    variant,
    contextWindowSize,
    onCompiled: (done, total) => meter.compile(done, total),
  });
  try {
    const tokenizer = await fill(base, manifest, cache, runner, meter, fetching);
    if (!store.refusal) await completeModel(store, base, manifest);
    const { kind, refusal } = store;
    const info = {
      ...describe(manifest, runner, describeAdapter(adapter)),
      memory,
      self_test: report,
      store: { kind, refusal },
    };
    const keep = tuning.remember.bind(tuning, variant);
    const tuner = tune ? new Tuner(runner, await tuning.recall(variant), keep) : null;
    meter.begin("ready");
    return { manifest, tokenizer, session: new Session(runner), runner, info, tuner };
  } catch (error) {
    runner.destroy();
    throw error;
  }
}

/**
 * Bring weights, pipelines and tokenizer; the first failure ends the rest.
 * @param {URL} base
 * @param {Manifest} manifest
 * @param {TensorCache} cache
 * @param {Runner} runner
 * @param {ProgressMeter} meter
 * @param {FetchOptions} fetching
 * @returns {Promise<Tokenizer>}
 */
async function fill(base, manifest, cache, runner, meter, fetching) {
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, fetching.signal ?? stop.signal]);
  const onBytes = (/** @type {number} */ nbytes) => meter.add(nbytes);
  const onStored = (/** @type {number} */ nbytes) => meter.addStored(nbytes);
  const shards = planShards(cache, manifest, runner.program);
  const paths = ["tokenizer.json", ...shards.map((shard) => shard.path)];
  meter.begin(
    "weights",
    paths.reduce((sum, path) => sum + (manifest.files[path]?.nbytes ?? 0), 0),
  );
  const options = { ...fetching, signal, onBytes, onStored };
  try {
    const downloads = Promise.all([
      fetchText(base, "tokenizer.json", manifest, options).then(Tokenizer.fromJson),
      streamShards(base, shards, manifest, runner, options),
    ]).then((results) => {
      meter.begin("compile");
      return results;
    });
    const [[tokenizer]] = await Promise.all([downloads, runner.ready()]);
    return tokenizer;
  } finally {
    stop.abort();
  }
}

/**
 * A reader of shader files that fetches each once; kernels may share a file.
 * @param {URL} base
 * @param {Manifest} manifest
 * @param {FetchOptions} fetching
 * @returns {(file: string) => Promise<string>}
 */
function shaderReader(base, manifest, fetching) {
  /** @type {Map<string, Promise<string>>} */
  const texts = new Map();
  return (file) => {
    const known = texts.get(file);
    if (known) return known;
    const text = fetchText(base, file, manifest, fetching);
    texts.set(file, text);
    return text;
  };
}

/**
 * @param {Manifest} manifest
 * @param {Runner} runner
 * @param {ModelInfo["adapter"]} adapter
 * @returns {Omit<ModelInfo, "memory" | "self_test" | "store">}
 */
function describe(manifest, runner, adapter) {
  return {
    id: manifest.id,
    name: manifest.name,
    architecture: manifest.architecture,
    variant: runner.variant.name,
    context_window_size: runner.contextWindowSize,
    weights_nbytes: manifest.weights.nbytes,
    adapter,
    generation: manifest.generation,
    has_chat: Boolean(manifest.chat),
    has_vision: Boolean(runner.program.image),
  };
}
