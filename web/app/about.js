/** What the model is, folded away under the things to ask: size, storage, licence, quality. */

/** @import { Estimate, Manifest, Quality } from "../webgemma/types.d.ts" */

import { element } from "./dom.js";
import { formatBytes, formatCount } from "./format.js";

const LICENCE = /^(LICEN[CS]E|NOTICE|USE_POLICY|COPYING)/i;
const CARD = "README.md";

/**
 * A disclosure with the model's details.
 * @param {Manifest} manifest
 * @returns {HTMLElement}
 */
export function about(manifest) {
  const { id, architecture, storage, weights, files } = manifest;
  const types = Object.entries(storage).sort(([, a], [, b]) => b.nbytes - a.nbytes);
  /** @type {[string, (Node | string)[]][]} */
  const facts = [
    ["Parameters", [formatCount(manifest.num_parameters)]],
    ["Architecture", [architecture]],
    ["Download", [formatBytes(weights.nbytes)]],
    ["Weights", [types.map(([type, { nbytes }]) => `${type} ${formatBytes(nbytes)}`).join(", ")]],
    ["Context", [`up to ${manifest.context.max.toLocaleString("en")} tokens`]],
  ];
  if (manifest.source) facts.push(["Built from", [manifest.source.name]]);
  if (manifest.quality) facts.push(["Quality", quality(manifest.quality)]);
  const documents = Object.keys(files).filter((name) => LICENCE.test(name) || name === CARD);
  if (documents.length) {
    facts.push([
      "Documents",
      documents.flatMap((name, i) => [i ? ", " : "", documentLink(id, name)]),
    ]);
  }
  const rows = facts.flatMap(([term, content]) => [
    element("dt", {}, term),
    element("dd", {}, ...content),
  ]);
  return element(
    "details",
    { className: "about" },
    element("summary", {}, "About this model"),
    element("dl", {}, ...rows),
  );
}

/**
 * What `webgemma eval --record` measured, in a few lines.
 * @param {Quality} record
 * @returns {Node[]}
 */
export function quality(record) {
  const { perplexity, kl_divergence, same_top, reference } = record;
  const lines = [`Perplexity ${estimate(perplexity)}`];
  if (kl_divergence && same_top && reference) {
    const from = `${reference.name} in ${reference.storage.join(", ")}`;
    lines.push(
      `Likeliest token as in ${from}: ${(100 * same_top.value).toFixed(1)} % of the time`,
      `KL divergence from it ${estimate(kl_divergence)}, at most ${kl_divergence.maximum.toPrecision(3)}`,
    );
  }
  const where =
    `Measured on ${record.scored_tokens.toLocaleString("en")} tokens of ${record.text.name}, ` +
    `context ${record.context.toLocaleString("en")}, by ${record.tool}.`;
  return [...lines.map((line) => element("div", {}, line)), element("small", {}, where)];
}

/**
 * A figure with its standard error, to the digits that the error leaves: "40.40 ± 0.47".
 * @param {Estimate} figure
 * @returns {string}
 */
export function estimate({ value, error }) {
  const digits = error > 0 ? Math.min(8, Math.max(0, 1 - Math.floor(Math.log10(error)))) : 4;
  return `${value.toFixed(digits)} ± ${error.toFixed(digits)}`;
}

/**
 * A link to one of the model's own documents.
 * @param {string} id
 * @param {string} name
 * @returns {HTMLElement}
 */
function documentLink(id, name) {
  const href = `./models/${encodeURIComponent(id)}/${encodeURIComponent(name)}`;
  const label = name === CARD ? "model card" : name;
  return element("a", { href, target: "_blank", rel: "noopener" }, label);
}
