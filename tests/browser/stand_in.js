// A worker that answers the page in the engine's place: it says what a test puts into its mouth.
// REPLIES: question -> the pieces of its reply. Other questions are answered by DEFAULT.
const REPLIES = {};
const DEFAULT = ["Yes."];
const MS_BETWEEN = 4;
const INFO = {
  id: "tiny",
  name: "Tiny",
  architecture: "tiny",
  variant: "f32",
  context_window_size: 1024,
  weights_nbytes: 2808,
  memory: { total_nbytes: 1e6 },
  adapter: { vendor: "", architecture: "", description: "a stand-in", is_fallback: false },
  self_test: null,
  store: { kind: "memory", refusal: null },
  generation: { stop_token_ids: [], temperature: 0.7, top_k: 40 },
  has_chat: true,
  has_vision: false,
};

const asked = new BroadcastChannel("asked"); // tests listen to what the engine was asked
const stopped = new Set();
const running = new Set();

async function reply(id, { messages }) {
  const question = messages[messages.length - 1].content;
  let count = 0;
  running.add(id);
  for (const text of REPLIES[question] ?? DEFAULT) {
    if (stopped.has(id)) break;
    postMessage({ id, event: { index: 0, text } });
    count += 1;
    await new Promise((resolve) => setTimeout(resolve, MS_BETWEEN));
  }
  running.delete(id);
  postMessage({ id, event: { index: 0, finish_reason: "stop" } });
  const prompt_tokens = messages.reduce((sum, { content }) => sum + content.length, 0);
  const usage = {
    prompt_tokens,
    completion_tokens: count,
    total_tokens: prompt_tokens + count,
    extra: { decode_tokens_per_s: 25, interrupted: stopped.has(id) },
  };
  postMessage({ id, event: { usage } });
}

const methods = {
  load: () => INFO,
  create: (id, { request }) => {
    asked.postMessage(request);
    return reply(id, request);
  },
};

globalThis.onmessage = async ({ data: { id, method, params } }) => {
  if (method === "interrupt") {
    for (const one of running) stopped.add(one);
    return;
  }
  postMessage({ id, result: (await methods[method]?.(id, params)) ?? null });
};
