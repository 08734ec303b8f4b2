/** The settings popover: how the model writes, and what it runs on. */

/** @import { Manifest, ModelInfo } from "../webgemma/types.d.ts" */
/** @import { Preferences, Sampling } from "./preferences.js" */
/** @import { Query } from "./query.js" */

import { byId, element } from "./dom.js";
import { formatBytes } from "./format.js";
import { loadPreferences, savePreferences } from "./preferences.js";

// What the engine takes where the model has no values of its own.
const DEFAULT_TEMPERATURE = 1;
const DEFAULT_TOP_P = 1;
const DEFAULT_TOP_K = 0;
const DEFAULT_MAX_TOKENS = 1024;

const NO_SYSTEM = "This model takes no system prompt: its chat template has no place for one.";
const SYSTEM_ALONE = "Goes before the chat, as the model's template has it.";
const SYSTEM_JOINED = "The model's template has no role for it: it goes before your first message.";

/** Reads and shows the settings. */
export class Settings {
  /**
   * @param {Query} query
   * @param {string} key what is set is kept under
   */
  constructor(query, key) {
    this.query = query;
    this.key = key;
    /** @type {Preferences} */
    this.preferences = loadPreferences(key);
    this.model = "";
    /** @type {Sampling} the model's own values */
    this.defaults = {};
    this.takesSystem = false;
    this.onSystem = (/** @type {string} */ _text) => {};
    this.systemInput = byId("system", HTMLTextAreaElement);
    this.temperatureInput = byId("temperature", HTMLInputElement);
    this.topPInput = byId("top-p", HTMLInputElement);
    this.topKInput = byId("top-k", HTMLInputElement);
    this.maxTokensInput = byId("max-tokens", HTMLInputElement);
    this.dropsInput = byId("drops-oldest", HTMLInputElement);
    this.resetButton = byId("reset-settings", HTMLButtonElement);
    this.listen();
  }

  listen() {
    const { temperatureInput, topPInput, topKInput, maxTokensInput, dropsInput } = this;
    for (const input of [temperatureInput, topPInput, topKInput, maxTokensInput, dropsInput]) {
      input.addEventListener("input", () => this.showValues());
      input.addEventListener("change", () => this.remember());
    }
    this.resetButton.addEventListener("click", () => {
      this.set(this.defaults);
      this.remember();
    });
    this.systemInput.addEventListener("change", () => {
      this.preferences.system = this.system;
      savePreferences(this.key, this.preferences);
      this.onSystem(this.system);
    });
  }

  /** The system prompt, or nothing. */
  get system() {
    return this.takesSystem ? this.systemInput.value.trim() : "";
  }

  set system(text) {
    this.systemInput.value = text;
  }

  /** What a chat request takes. */
  get request() {
    const { seed } = this.query;
    const { temperature, topP, topK, maxTokens, dropsOldest } = this.values;
    return {
      temperature: Number(temperature),
      top_p: Number(topP),
      top_k: Number(topK),
      max_tokens: Number(maxTokens),
      context_full: /** @type {"stop" | "drop_oldest"} */ (dropsOldest ? "drop_oldest" : "stop"),
      ...(seed !== undefined && { seed }),
    };
  }

  /** What the inputs say. @returns {Sampling} */
  get values() {
    return {
      temperature: this.temperatureInput.valueAsNumber,
      topP: this.topPInput.valueAsNumber,
      topK: wholeNumber(this.topKInput, DEFAULT_TOP_K, 0),
      maxTokens: wholeNumber(this.maxTokensInput, DEFAULT_MAX_TOKENS, 1),
      dropsOldest: this.dropsInput.checked,
    };
  }

  /**
   * Fill the popover for a loaded model: with its own values, then what was set for it, then what
   * the address says.
   * @param {ModelInfo} info
   * @param {Manifest} manifest
   */
  fill(info, manifest) {
    const { generation, context_window_size: room } = info;
    this.model = info.id;
    this.defaults = {
      temperature: generation.temperature ?? DEFAULT_TEMPERATURE,
      topP: generation.top_p ?? DEFAULT_TOP_P,
      topK: generation.top_k ?? DEFAULT_TOP_K,
      maxTokens: Math.min(DEFAULT_MAX_TOKENS, room),
      dropsOldest: false,
    };
    this.maxTokensInput.max = String(room);
    /** @type {Sampling} */
    const asked = {};
    for (const name of /** @type {const} */ (["temperature", "topP", "topK", "maxTokens"])) {
      const value = this.query[name];
      if (value !== undefined) asked[name] = value;
    }
    this.set({ ...this.defaults, ...this.preferences.sampling[this.model], ...asked });
    this.fillSystem(manifest);
    byId("context-setting", HTMLElement).hidden = info.has_vision;
    showFacts(info);
  }

  /** @param {Manifest} manifest */
  fillSystem({ chat, image }) {
    const role = image ? undefined : chat?.roles.system;
    this.takesSystem = role !== undefined;
    this.systemInput.disabled = !this.takesSystem;
    this.system = this.preferences.system;
    // Where the template has no system role, the build put the text into the user's first turn.
    const isJoined = role?.prefix === `${chat?.prefix}${chat?.roles.user.prefix}`;
    const hint = isJoined ? SYSTEM_JOINED : SYSTEM_ALONE;
    byId("system-hint", HTMLParagraphElement).textContent = role ? hint : NO_SYSTEM;
  }

  /** @param {Sampling} values */
  set({ temperature, topP, topK, maxTokens, dropsOldest }) {
    this.temperatureInput.value = String(temperature);
    this.topPInput.value = String(topP);
    this.topKInput.value = String(topK);
    this.maxTokensInput.value = String(maxTokens);
    this.dropsInput.checked = Boolean(dropsOldest);
    this.showValues();
  }

  /** Keep what differs from the model's own values. */
  remember() {
    const changed = this.changed();
    this.preferences.sampling = { ...this.preferences.sampling, [this.model]: changed };
    savePreferences(this.key, this.preferences);
  }

  /** @returns {Sampling} */
  changed() {
    const different = Object.entries(this.values).filter(([name, v]) => v !== this.defaults[name]);
    return Object.fromEntries(different);
  }

  showValues() {
    byId("temperature-value", HTMLOutputElement).value =
      this.temperatureInput.valueAsNumber.toFixed(1);
    byId("top-p-value", HTMLOutputElement).value = this.topPInput.valueAsNumber.toFixed(2);
    this.resetButton.disabled = Object.keys(this.changed()).length === 0;
  }
}

/** @param {ModelInfo} info */
function showFacts(info) {
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
