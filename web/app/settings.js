/** The settings popover: how the model writes, and what it runs on. */

/** @import { ModelInfo } from "../webgemma/types.d.ts" */
/** @import { Query } from "./query.js" */

import { byId, element } from "./dom.js";
import { formatBytes } from "./format.js";

// What the engine takes where the model has no values of its own.
const DEFAULT_TEMPERATURE = 1;
const DEFAULT_TOP_P = 1;
const DEFAULT_TOP_K = 0;
const DEFAULT_MAX_TOKENS = 1024;

/** Reads and shows the settings. */
export class Settings {
  /** @param {Query} query */
  constructor(query) {
    this.query = query;
    this.temperatureInput = byId("temperature", HTMLInputElement);
    this.temperatureOutput = byId("temperature-value", HTMLOutputElement);
    this.topPInput = byId("top-p", HTMLInputElement);
    this.topPOutput = byId("top-p-value", HTMLOutputElement);
    this.topKInput = byId("top-k", HTMLInputElement);
    this.maxTokensInput = byId("max-tokens", HTMLInputElement);
    for (const input of [this.temperatureInput, this.topPInput]) {
      input.addEventListener("input", () => this.showValues());
    }
  }

  /** What a chat request takes. */
  get request() {
    const { seed } = this.query;
    return {
      temperature: this.temperatureInput.valueAsNumber,
      top_p: this.topPInput.valueAsNumber,
      top_k: wholeNumber(this.topKInput, DEFAULT_TOP_K, 0),
      max_tokens: wholeNumber(this.maxTokensInput, DEFAULT_MAX_TOKENS, 1),
      ...(seed !== undefined && { seed }),
    };
  }

  /**
   * Fill the popover for a loaded model.
   * @param {ModelInfo} info
   */
  fill(info) {
    const { generation } = info;
    const { temperature, topP, topK, maxTokens } = this.query;
    this.temperatureInput.value = String(
      temperature ?? generation.temperature ?? DEFAULT_TEMPERATURE,
    );
    this.topPInput.value = String(topP ?? generation.top_p ?? DEFAULT_TOP_P);
    this.topKInput.value = String(topK ?? generation.top_k ?? DEFAULT_TOP_K);
    const longest = Math.min(DEFAULT_MAX_TOKENS, info.context_window_size);
    this.maxTokensInput.max = String(info.context_window_size);
    this.maxTokensInput.value = String(maxTokens ?? longest);
    this.showValues();
    const { adapter } = info;
    const gpu = adapter.description || [adapter.vendor, adapter.architecture].join(" ").trim();
    /** @type {[string, string][]} */
    const facts = [
      ["Runs on", gpu || "your GPU"],
      ["Variant", info.variant],
      ["Context", `${info.context_window_size.toLocaleString("en")} tokens`],
      ["Weights", formatBytes(info.weights_nbytes)],
      ["GPU memory", formatBytes(info.memory.total_nbytes)],
    ];
    byId("facts", HTMLDListElement).replaceChildren(
      ...facts.flatMap(([term, text]) => [element("dt", {}, term), element("dd", {}, text)]),
    );
  }

  showValues() {
    this.temperatureOutput.value = this.temperatureInput.valueAsNumber.toFixed(1);
    this.topPOutput.value = this.topPInput.valueAsNumber.toFixed(2);
  }
}

/**
 * What somebody typed, made a number that the engine takes.
 * @param {HTMLInputElement} input
 * @param {number} fallback where there is no number
 * @param {number} least
 * @returns {number}
 */
function wholeNumber(input, fallback, least) {
  const { valueAsNumber } = input;
  return Math.max(least, Math.floor(Number.isNaN(valueAsNumber) ? fallback : valueAsNumber));
}
