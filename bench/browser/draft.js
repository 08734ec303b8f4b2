// Runs requests in the engine; bench/draft.py drives it.
import { Engine } from "/runtime/index.js";

let engine;

window.load = async (contextWindowSize) => {
  const options = { contextWindowSize, store: "memory" };
  engine = await Engine.load("/case/models/model/", options);
  return engine.info.variant;
};

window.run = async (request) => {
  const { usage } = await engine.completions.create(request);
  const { decode_tokens_per_s, drafted_tokens, accepted_tokens } = usage.extra;
  return {
    tokens_per_s: decode_tokens_per_s,
    drafted: drafted_tokens,
    accepted: accepted_tokens,
  };
};
window.ready = true;
