/** What the page's address may set: ?model=pebble&variant=f32&context=512&temperature=0&seed=1 */

/**
 * @typedef {object} Query
 * @property {string} [model] id of the model to open
 * @property {string} [variant] of the program, by name
 * @property {number} [context] tokens that the caches hold
 * @property {number} [temperature]
 * @property {number} [topP]
 * @property {number} [topK]
 * @property {number} [maxTokens]
 * @property {number} [seed]
 */

/**
 * Read the query of the address; what is not a number is left out.
 * @param {string} search
 * @returns {Query}
 */
export function readQuery(search) {
  const params = new URLSearchParams(search);
  /** @type {(name: string) => number | undefined} */
  const number = (name) => {
    const text = params.get(name);
    return text !== null && /^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined;
  };
  return {
    model: params.get("model") ?? undefined,
    variant: params.get("variant") ?? undefined,
    context: number("context"),
    temperature: number("temperature"),
    topP: number("top_p"),
    topK: number("top_k"),
    maxTokens: number("max_tokens"),
    seed: number("seed"),
  };
}
