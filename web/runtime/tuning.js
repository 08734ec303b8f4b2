/**
 * What is remembered of a tuner's search (docs/program.md), and the variant that follows from it. The
 * twin of webgemma/runtime/tuning.py; both pass tests/cases/tuning.json.
 *
 * It is a hint and no more: what cannot be read, or is no choice of the program's, is as if nothing
 * had been measured.
 */

/** @import { Choice, Findings, Variant } from "./types.d.ts" */
/** @import { FileStore } from "./store/store.js" */

const ADAPTER_FIELDS = /** @type {const} */ (["vendor", "architecture", "device", "description"]);

/**
 * How a choice is called: its symbols and their values.
 * @param {Choice} choice
 * @returns {string}
 */
export function choiceName(choice) {
  return Object.entries(choice)
    .map(([symbol, value]) => `${symbol}=${value}`)
    .join(" ");
}

/**
 * The variant with the choices that were taken, of those that it has.
 * @param {Variant} variant
 * @param {Findings} findings
 * @returns {Variant}
 */
export function tunedVariant(variant, findings) {
  const symbols = { ...variant.symbols };
  for (const [group, choices] of Object.entries(variant.tuning ?? {})) {
    const taken = findings[group]?.taken;
    Object.assign(
      symbols,
      choices.find((choice) => choiceName(choice) === taken),
    );
  }
  return { ...variant, symbols };
}

/**
 * What has the form of findings, of what was read.
 * @param {unknown} data
 * @returns {Findings}
 */
export function checkedFindings(data) {
  const groups = Object.entries(/** @type {Findings} */ (isRecord(data) ? data : {}));
  const sound = groups.filter(
    ([, found]) => typeof found?.taken === "string" && Array.isArray(found.tried),
  );
  return Object.fromEntries(sound.map(([group, { taken, tried }]) => [group, { taken, tried }]));
}

/** @param {unknown} data */
const isRecord = (data) => typeof data === "object" && data !== null && !Array.isArray(data);

/** What was found of one program, by adapter and variant: a file beside those of the model. */
export class TuningMemory {
  /**
   * @param {FileStore} store
   * @param {string} programHash SHA-256 of program.json
   * @param {GPUAdapterInfo} info
   */
  constructor({ backend }, programHash, info) {
    this.backend = backend;
    this.name = `tuning-${programHash}.json`; // goes with the program (library.js)
    this.info = info;
  }

  /**
   * @param {Variant} variant
   * @returns {Promise<Findings>} nothing where nothing was found, or it cannot be read
   */
  async recall({ name }) {
    return this.found(await this.read(), name);
  }

  /**
   * Each variant, before it as it was tuned, if it was: a self-test may refuse that one.
   * @param {Variant[]} variants
   * @returns {Promise<Variant[]>}
   */
  async candidates(variants) {
    const content = await this.read();
    return variants.flatMap((one) => {
      const tuned = tunedVariant(one, this.found(content, one.name));
      const isSame = Object.entries(one.symbols).every(([name, n]) => tuned.symbols[name] === n);
      return isSame ? [one] : [tuned, one];
    });
  }

  /**
   * @param {Record<string, unknown>} content
   * @param {string} variant
   */
  found(content, variant) {
    return checkedFindings(content[this.key(variant)]);
  }

  /**
   * Keep what was found; a disk that takes no more keeps nothing.
   * @param {Variant} variant
   * @param {Findings} findings
   */
  async remember({ name }, findings) {
    const content = { ...(await this.read()), [this.key(name)]: findings };
    const bytes = new TextEncoder().encode(JSON.stringify(content));
    await this.backend.write(this.name, bytes).catch(() => {});
  }

  /** @param {string} variant */
  key(variant) {
    return JSON.stringify([...ADAPTER_FIELDS.map((field) => this.info[field] ?? ""), variant]);
  }

  /** @returns {Promise<Record<string, unknown>>} */
  async read() {
    try {
      const bytes = await this.backend.read(this.name);
      const content = JSON.parse(new TextDecoder().decode(bytes ?? new Uint8Array()));
      return isRecord(content) ? content : {};
    } catch {
      return {};
    }
  }
}
