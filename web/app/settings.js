/** The settings popover: how the model writes, and what it runs on. */

/** @import { ModelInfo } from "../webgemma/types.d.ts" */
/** @import { Query } from "./query.js" */

import { byId, element } from "./dom.js";
import { formatBytes } from "./format.js";

const DEFAULT_TEMPERATURE = 1; // the model's own, where it says none
const DEFAULT_MAX_TOKENS = 1024;

/** Reads and shows the settings. */
export class Settings {
  /** @param {Query} query */
  constructor(query) {
    this.query = query;
    this.temperatureInput = byId("temperature", HTMLInputElement);
    this.temperatureOutput = byId("temperature-value", HTMLOutputElement);
    this.maxTokensInput = byId("max-tokens", HTMLInputElement);
    this.temperatureInput.addEventListener("input", () => this.showTemperature());
  }

  /** What a chat request takes. */
  get request() {
    const max_tokens = Math.max(
      1,
      Math.floor(this.maxTokensInput.valueAsNumber || DEFAULT_MAX_TOKENS),
    );
    const { seed } = this.query;
    return {
      temperature: this.temperatureInput.valueAsNumber,
      max_tokens,
      ...(seed !== undefined && { seed }),
    };
  }

  /**
   * Fill the popover for a loaded model.
   * @param {ModelInfo} info
   */
  fill(info) {
    const { temperature = info.generation.temperature ?? DEFAULT_TEMPERATURE, maxTokens } =
      this.query;
    this.temperatureInput.value = String(temperature);
    const longest = Math.min(DEFAULT_MAX_TOKENS, info.context_window_size);
    this.maxTokensInput.max = String(info.context_window_size);
    this.maxTokensInput.value = String(maxTokens ?? longest);
    this.showTemperature();
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

  showTemperature() {
    this.temperatureOutput.value = this.temperatureInput.valueAsNumber.toFixed(1);
  }
}
