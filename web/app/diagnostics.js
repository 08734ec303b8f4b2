/** The diagnostics panel: what runs where, how much it takes, how fast it is, and a report to copy. */

/** @import { Engine } from "../webgemma/index.js" */
/** @import { DeviceReport, Diagnostics, Measured } from "../webgemma/types.d.ts" */
/** @import { Rows } from "./report.js" */

import { reportDevice } from "../webgemma/index.js";
import { byId, element } from "./dom.js";
import {
  KERNEL_COLUMNS,
  deviceSections,
  kernelRows,
  kernelTables,
  modelSections,
  reportText,
  speedRows,
} from "./report.js";

const ADDRESS = "#diagnostics"; // opens it, also where no model loads
const STYLE = new URL("./diagnostics.css", import.meta.url).href;

/**
 * Put the button that opens the panel at the end of the settings.
 * @param {() => Engine | null} engineOf the loaded model's, if there is one
 */
export function watchDiagnostics(engineOf) {
  const panel = new DiagnosticsPanel(engineOf);
  const settings = byId("settings", HTMLElement);
  const button = element("button", { type: "button", className: "quiet" }, "Diagnostics…");
  button.addEventListener("click", () => {
    if (settings.matches(":popover-open")) settings.hidePopover();
    panel.open();
  });
  settings.append(button);
  const openByAddress = () => location.hash === ADDRESS && panel.open();
  addEventListener("hashchange", openByAddress);
  openByAddress();
}

class DiagnosticsPanel {
  /** @param {() => Engine | null} engineOf */
  constructor(engineOf) {
    this.engineOf = engineOf;
    /** @type {DeviceReport | Diagnostics | null} */
    this.report = null;
    /** @type {AbortController | null} ends the measurement that is under way */
    this.measuring = null;
    this.body = element("div", { className: "diagnostics-body" });
    this.status = element("p", { className: "status", role: "status" });
    this.measureButton = button("Measure", () => this.measure());
    this.copyButton = button("Copy report", () => this.copy());
    this.dialog = element(
      "dialog",
      { className: "diagnostics", "aria-labelledby": "diagnostics-title" },
      element("h2", { id: "diagnostics-title" }, "Diagnostics"),
      this.body,
      this.status,
      element(
        "div",
        { className: "diagnostics-actions" },
        this.measureButton,
        this.copyButton,
        button("Close", () => this.dialog.close()),
      ),
    );
    this.dialog.addEventListener("close", () => this.closed());
  }

  /** Show what is known now. */
  async open() {
    if (this.dialog.open) return;
    if (!this.dialog.isConnected) {
      document.head.append(element("link", { rel: "stylesheet", href: STYLE }));
      document.body.append(this.dialog);
    }
    this.dialog.showModal();
    await this.show("Looking…", async () => {
      const engine = this.engineOf();
      return engine ? engine.diagnostics() : reportDevice();
    });
  }

  /** Run the kernels with the clock on. */
  async measure() {
    const engine = this.engineOf();
    if (!engine) return;
    this.measuring = new AbortController();
    const { signal } = this.measuring;
    await this.show("Measuring…", () =>
      engine.diagnostics({
        measure: true,
        signal,
        onProgress: ({ done, total }) => this.say(`Measuring, ${done} of ${total}`),
      }),
    );
    this.measuring = null;
  }

  /**
   * Get a report and show it, or why there is none.
   * @param {string} meanwhile
   * @param {() => Promise<DeviceReport | Diagnostics>} get
   */
  async show(meanwhile, get) {
    this.say(meanwhile);
    this.measureButton.disabled = true;
    try {
      this.report = await get();
      this.body.replaceChildren(...contents(this.report));
      this.say("");
    } catch (error) {
      this.say(/** @type {Error} */ (error).message);
    }
    this.measureButton.disabled = !this.engineOf();
    this.copyButton.disabled = this.report === null;
  }

  async copy() {
    if (!this.report) return;
    await navigator.clipboard.writeText(reportText(this.report)).then(
      () => this.say("Copied."),
      () => this.say("The browser did not allow copying."),
    );
  }

  /** @param {string} text */
  say(text) {
    this.status.textContent = text;
  }

  closed() {
    this.measuring?.abort(new Error("The measurement was stopped."));
    if (location.hash === ADDRESS)
      history.replaceState(null, "", location.pathname + location.search);
  }
}

/**
 * @param {DeviceReport | Diagnostics} report
 * @returns {HTMLElement[]}
 */
function contents(report) {
  const isWhole = "model" in report;
  const sections = [...(isWhole ? modelSections(report) : []), ...deviceSections(report)];
  const shown = sections.map(({ title, rows }) => section(title, list(rows)));
  if (isWhole && report.measured) shown.unshift(...speed(report.measured));
  if (report.adapter) {
    const { features, limits } = report.adapter;
    shown.push(
      folded("Features of the adapter", element("p", {}, features.join(", "))),
      folded("Limits of the adapter", list(Object.entries(limits).map(([a, b]) => [a, String(b)]))),
    );
  }
  return shown;
}

/**
 * @param {Measured} measured
 * @returns {HTMLElement[]}
 */
function speed(measured) {
  const tables = kernelTables(measured).map(({ title, kernels }) =>
    section(title, table(title, KERNEL_COLUMNS, kernelRows(kernels))),
  );
  return [section("Speed", list(speedRows(measured))), ...tables];
}

/**
 * @param {string} title
 * @param {HTMLElement} content
 * @returns {HTMLElement}
 */
function section(title, content) {
  return element("section", {}, element("h3", {}, title), content);
}

/**
 * @param {string} title
 * @param {HTMLElement} content
 * @returns {HTMLElement}
 */
function folded(title, content) {
  return element("details", {}, element("summary", {}, title), content);
}

/**
 * @param {Rows} rows
 * @returns {HTMLElement}
 */
function list(rows) {
  return element(
    "dl",
    {},
    ...rows.flatMap(([term, text]) => [element("dt", {}, term), element("dd", {}, text)]),
  );
}

/**
 * @param {string} title
 * @param {string[]} columns
 * @param {string[][]} rows
 * @returns {HTMLElement} that scrolls by itself where it is too wide
 */
function table(title, columns, rows) {
  const head = element("tr", {}, ...columns.map((text) => element("th", { scope: "col" }, text)));
  const body = rows.map((cells) =>
    element("tr", {}, ...cells.map((text) => element("td", {}, text))),
  );
  return element(
    "div",
    { className: "table", tabIndex: 0, role: "region", "aria-label": title },
    element("table", {}, element("thead", {}, head), element("tbody", {}, ...body)),
  );
}

/**
 * @param {string} label
 * @param {() => void} run
 * @returns {HTMLButtonElement}
 */
function button(label, run) {
  const made = element("button", { type: "button", className: "quiet" }, label);
  made.addEventListener("click", run);
  return made;
}
