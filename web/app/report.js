/** Diagnostics as text that people paste into an issue: Markdown, and nothing of their chats. */

/** @import { Diagnostics, DeviceReport, KernelTime, Measured } from "../webgemma/types.d.ts" */

import { formatBytes, formatCount } from "./format.js";

/** @typedef {[string, string][]} Rows */
/** @typedef {{title: string, rows: Rows}} Section */

/**
 * What is known of the device, also where no model could be loaded.
 * @param {DeviceReport} report
 * @returns {Section[]}
 */
export function deviceSections({ browser, adapter, problem, storage }) {
  const gpu = adapter && [adapter.vendor, adapter.architecture, adapter.description];
  /** @type {Rows} */
  const rows = [["Browser", browser]];
  if (gpu) rows.push(["Adapter", gpu.filter(Boolean).join(" ") || "not named by the browser"]);
  if (adapter?.is_fallback) rows.push(["Computes", "in software, on the processor"]);
  if (problem) rows.push(["GPU", problem]);
  const { used_nbytes, quota_nbytes, kind } = storage;
  const quota = quota_nbytes === null ? "not said" : formatBytes(quota_nbytes);
  const kept = storage.is_persistent ? "kept until deleted" : "the browser may clear it";
  return [
    { title: "Device", rows },
    {
      title: "Storage",
      rows: [
        ["Files in", kind === "memory" ? "memory only: nothing is kept" : kind.toUpperCase()],
        ["In use", `${formatBytes(used_nbytes)} of ${quota}`],
        ["Kept", kept],
        ...(storage.refusal
          ? [/** @type {[string, string]} */ (["Refused", storage.refusal])]
          : []),
      ],
    },
  ];
}

/**
 * What runs on the device, and how much it takes.
 * @param {Diagnostics} report
 * @returns {Section[]}
 */
export function modelSections(report) {
  const { model, memory, self_test: test, device } = report;
  const tested = test
    ? [`${test.passed} passed`, ...test.failed.map((f) => `${f.variant} failed: ${f.reason}`)]
    : ["not run: a software adapter, or a site without one"];
  return [
    {
      title: "Model",
      rows: [
        ["Name", `${model.name} (${model.id}), ${model.architecture}`],
        ["Parameters", `${formatCount(model.num_parameters)} as ${model.storage.join(", ")}`],
        ["Variant", report.variant],
        ["Context", `${report.context_window_size.toLocaleString("en")} tokens`],
        ["Self-test", tested.join("; ")],
        ["Failure", device.error ?? "none"],
        [
          "Versions",
          `${report.tool}, site ${model.version}, program ${model.program_version}, ` +
            `${model.num_shards} shards`,
        ],
      ],
    },
    {
      title: "Memory",
      rows: [
        ["Weights", formatBytes(memory.weights_nbytes)],
        ["Caches", formatBytes(memory.cache_nbytes)],
        ["Other buffers", formatBytes(memory.scratch_nbytes)],
        [
          "Planned",
          `${formatBytes(memory.total_nbytes)}, ${formatBytes(memory.peak_nbytes)} at most`,
        ],
        ["In use", `${formatBytes(memory.in_use_nbytes)} in ${memory.num_buffers} buffers`],
      ],
    },
  ];
}

/**
 * How fast it is.
 * @param {Measured} measured
 * @returns {Rows}
 */
export function speedRows({ prefill, decode, first_token_seconds, clock }) {
  const rate = (/** @type {number} */ seconds) =>
    `${(1 / seconds).toFixed(1)} tokens/s, ${(1000 * seconds).toFixed(2)} ms each`;
  return [
    ...prefill.map(
      ({ tokens, seconds_per_token: seconds }) =>
        /** @type {[string, string]} */ ([`Prompt of ${tokens}`, rate(seconds)]),
    ),
    ...decode.map(
      ({ tokens, seconds_per_token: seconds }) =>
        /** @type {[string, string]} */ ([`Tokens behind ${tokens}`, rate(seconds)]),
    ),
    ["First token", `${(1000 * first_token_seconds).toFixed(0)} ms after the shortest prompt`],
    ["Kernels by", clock === "wall" ? "the host's clock" : "the GPU's clock"],
  ];
}

export const KERNEL_COLUMNS = ["Kernel", "Times", "ms", "Share", "GB/s of weights"];

/**
 * The kernels of a phase as rows of text, the slowest first.
 * @param {KernelTime[]} kernels
 * @returns {string[][]}
 */
export function kernelRows(kernels) {
  const whole = kernels.reduce((sum, { seconds }) => sum + seconds, 0);
  return [...kernels]
    .sort((a, b) => b.seconds - a.seconds)
    .map(({ name, dispatches, seconds, weights_nbytes }) => [
      name,
      String(dispatches),
      (1000 * seconds).toFixed(2),
      `${((100 * seconds) / whole).toFixed(1)} %`,
      weights_nbytes ? (weights_nbytes / seconds / 1e9).toFixed(1) : "",
    ]);
}

/**
 * The titles and kernels of both phases.
 * @param {Measured} measured
 * @returns {{title: string, kernels: KernelTime[]}[]}
 */
export function kernelTables({ kernels, chunk }) {
  return [
    { title: "Kernels of a token", kernels: kernels.filter(({ phase }) => phase === "decode") },
    {
      title: `Kernels of ${chunk} tokens of a prompt`,
      kernels: kernels.filter(({ phase }) => phase === "prefill"),
    },
  ];
}

/**
 * Everything as Markdown.
 * @param {DeviceReport | Diagnostics} report
 * @returns {string}
 */
export function reportText(report) {
  const isWhole = "model" in report;
  const sections = [...deviceSections(report), ...(isWhole ? modelSections(report) : [])];
  const measured = isWhole ? report.measured : null;
  if (measured) sections.push({ title: "Speed", rows: speedRows(measured) });
  const parts = sections.map(({ title, rows }) =>
    part(
      title,
      rows.map(([term, text]) => `- ${term}: ${text}`),
    ),
  );
  for (const { title, kernels } of measured ? kernelTables(measured) : []) {
    const rows = [KERNEL_COLUMNS, KERNEL_COLUMNS.map(() => "---"), ...kernelRows(kernels)];
    parts.push(
      part(
        title,
        rows.map((cells) => `| ${cells.join(" | ")} |`),
      ),
    );
  }
  if (report.adapter) {
    const { features, limits } = report.adapter;
    const list = Object.entries(limits).map(([name, value]) => `- ${name}: ${value}`);
    parts.push(part("Features", [features.join(", ")]), part("Limits", list));
  }
  return `## webgemma diagnostics\n\n${parts.join("\n\n")}\n`;
}

/**
 * @param {string} title
 * @param {string[]} lines
 * @returns {string}
 */
function part(title, lines) {
  return `### ${title}\n\n${lines.join("\n")}`;
}
