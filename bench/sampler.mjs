/**
 * How long the page's sampler takes for one token of a large vocabulary, by option.
 *
 *     node bench/sampler.mjs [VOCAB_SIZE]
 */
import { GREEDY, Sampler } from "../web/runtime/sampling.js";

const vocabSize = Number(process.argv[2] ?? 262144);
const REPEATS = 50;

/** Logits as models give them: most far below a few. [vocabSize] */
function makeLogits() {
  let state = 1;
  const uniform = () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) / 2 ** 32;
  const normal = () =>
    Math.sqrt(-2 * Math.log(uniform() + 1e-9)) * Math.cos(2 * Math.PI * uniform());
  const logits = Float32Array.from({ length: vocabSize }, () => 2 * normal() - 6);
  for (let i = 0; i < 50; i++) logits[Math.floor(uniform() * vocabSize)] += 6 + 8 * uniform();
  return logits;
}

const logits = makeLogits();
for (const options of [
  { top_k: 64, top_p: 0.95 },
  { top_p: 0.95 },
  { min_p: 0.05 },
  { repetition_penalty: 1.1, top_k: 40 },
  { frequency_penalty: 1 },
  { top_logprobs: 5 },
]) {
  const sampling = { ...GREEDY, temperature: 1, seed: 1, ...options };
  const sampler = new Sampler(sampling, [1, 2, 3], vocabSize);
  const durations = Array.from({ length: REPEATS }, () => {
    const started = performance.now();
    sampler.choose(logits);
    return performance.now() - started;
  }).sort((a, b) => a - b);
  const [best, median] = [durations[0], durations[REPEATS / 2]].map((ms) => ms.toFixed(2));
  console.log(`${JSON.stringify(options).padEnd(42)} ${best} ms at best, ${median} ms median`);
}
