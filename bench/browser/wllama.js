// Times our engine and @wllama/wllama on the same model in turns; bench/browser/wllama.py drives it.
import { Wllama } from "/modules/@wllama/wllama/esm/index.js";
import { Engine } from "/runtime/index.js";

const WASM = { default: "/modules/@wllama/wllama/esm/wasm/wllama.wasm" };

/** Seconds to the first token and behind it, of a stream of completion chunks. */
async function time(begin) {
  const started = performance.now();
  let [first, last, usage] = [0, 0, null];
  for await (const chunk of await begin()) {
    usage = chunk.usage ?? usage;
    if (!chunk.choices?.length) continue;
    last = performance.now();
    first ||= last;
  }
  return { first: (first - started) / 1000, rest: (last - first) / 1000, usage };
}

const request = (prompt, max_tokens) => ({
  prompt,
  max_tokens,
  temperature: 0,
  stream: true,
  stream_options: { include_usage: true },
});

async function prepareOurs(model, context, draft) {
  const engine = await Engine.load(model, { contextWindowSize: context, store: "memory" });
  const run = async (prompt, count) => {
    await engine.resetChat();
    return time(() => engine.completions.create({ ...request(prompt, count), draft }));
  };
  return { run, what: engine.info.variant };
}

async function prepareTheirs(context, threads) {
  const wllama = new Wllama(WASM, { suppressNativeLog: true });
  await wllama.loadModelFromUrl(`${location.origin}/case/model.gguf`, {
    n_ctx: context,
    n_threads: threads,
    n_gpu_layers: 0,
    useCache: false,
  });
  const run = (prompt, count) =>
    time(() => wllama.createCompletion({ ...request(prompt, count), cache_prompt: false }));
  return { run, what: `${wllama.getNumThreads()} threads` };
}

window.compare = async ({ model, context, threads, prompt, count, repeat, draft }) => {
  const ours = await prepareOurs(model, context, draft);
  const theirs = await prepareTheirs(context, threads);
  const result = { ours: { what: ours.what, runs: [] }, theirs: { what: theirs.what, runs: [] } };
  const sides = Object.entries({ ours, theirs });
  for (const [, { run }] of sides) await run(prompt, 8); // warms up
  for (let i = 0; i < repeat; i++) {
    for (const [name, { run }] of sides) result[name].runs.push(await run(prompt, count));
  }
  return result;
};
window.ready = true;
