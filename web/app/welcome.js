/** What stands on the page before the first message: the model, its download, things to ask. */

/** @import { Manifest, MemoryEstimate, Progress } from "../webgemma/types.d.ts" */
/** @import { Branding } from "./branding.js" */

import { about } from "./about.js";
import { element } from "./dom.js";
import { formatBytes, formatCount, formatDownload } from "./format.js";
import { doubts, memoryText } from "./needs.js";
import { weightsImport } from "./weights-import.js";

const GENERIC_PROMPTS = [
  "What can you help me with?",
  "Explain why the sky is blue in three sentences.",
  "Write a short poem about a quiet morning.",
  "Give me three ideas for dinner tonight.",
];
const MAX_PROMPTS = 4;

/** The section of the page above an empty chat. */
export class Welcome {
  /**
   * @param {HTMLElement} root
   * @param {Branding} branding
   */
  constructor(root, branding) {
    this.root = root;
    this.branding = branding;
    this.bar = element("progress", { max: 1 });
    this.status = element("p", { className: "status", role: "status" });
    this.needs = element("p", { className: "needs" });
  }

  /** @param {boolean} visible */
  show(visible) {
    this.root.hidden = !visible;
  }

  /**
   * Say what a model takes, as soon as that is known.
   * @param {Manifest} manifest
   * @param {Promise<MemoryEstimate>} estimate
   */
  expect(manifest, estimate) {
    const line = element("p", { className: "needs" }, downloadText(manifest));
    this.needs = line;
    estimate.then(
      (needs) =>
        line.replaceChildren(downloadText(manifest), `, ${memoryText(needs)}`, doubts(needs)),
      () => {}, // whatever is wrong, loading the model will say so
    );
  }

  /**
   * Offer a model that is large enough to ask first.
   * @param {Manifest} manifest
   * @param {() => void} load
   */
  offer(manifest, load) {
    const size = formatBytes(manifest.weights.nbytes);
    const button = element("button", { type: "button", className: "primary" }, `Load ${size}`);
    button.addEventListener("click", load);
    this.root.replaceChildren(
      ...this.title(manifest),
      this.needs,
      button,
      element("p", { className: "status" }, "Downloaded once; your browser keeps it."),
      weightsImport(manifest, load),
      about(manifest),
    );
  }

  /**
   * Show a download.
   * @param {Manifest} manifest
   * @param {() => void} [cancel]
   */
  loading(manifest, cancel) {
    this.bar.removeAttribute("value");
    this.bar.setAttribute("aria-label", `Loading ${manifest.name}`);
    this.status.textContent = "Connecting…";
    this.root.replaceChildren(...this.title(manifest), this.needs, this.bar, this.status);
    if (!cancel) return;
    const button = element("button", { type: "button", className: "quiet" }, "Cancel");
    button.addEventListener("click", cancel);
    this.root.append(button);
  }

  /** @param {Progress} progress */
  progress(progress) {
    if (progress.stage === "weights") {
      this.bar.value = progress.loaded_nbytes / Math.max(1, progress.total_nbytes);
      const { loaded_nbytes, stored_nbytes } = progress;
      const isHere = stored_nbytes > 0 && stored_nbytes === loaded_nbytes;
      const source = isHere ? "from this device, verified again" : "verified as it arrives";
      this.status.textContent = `${formatDownload(progress)} · ${source}`;
    } else if (progress.stage === "compile") {
      this.bar.value = progress.compiled_kernels / Math.max(1, progress.num_kernels);
      this.status.textContent =
        `Model verified · preparing the GPU, ` +
        `${progress.compiled_kernels} of ${progress.num_kernels} programs compiled`;
    }
  }

  /**
   * Invite to begin.
   * @param {Manifest} manifest
   * @param {HTMLElement[]} ways to begin
   */
  invite(manifest, ways) {
    this.root.replaceChildren(...this.title(manifest), ...ways, about(manifest));
  }

  /**
   * @param {Manifest} manifest
   * @returns {HTMLElement[]}
   */
  title(manifest) {
    const kind = manifest.image ? "A model that looks at pictures," : "A language model";
    const end = manifest.image ? ": your pictures stay on your device." : ".";
    return [
      element("h2", {}, this.branding.greeting ?? manifest.name),
      element(
        "p",
        { className: "lead" },
        `${kind} with ${formatCount(manifest.num_parameters)} parameters. ` +
          `It runs right here, in your browser${end}`,
      ),
    ];
  }
}

/**
 * Things to ask a model that chats.
 * @param {Manifest} manifest
 * @param {Branding} branding whose prompts come first, all of them
 * @param {(prompt: string) => void} ask
 * @returns {HTMLElement}
 */
export function suggestions(manifest, branding, ask) {
  const own = (manifest.generation.prompts ?? GENERIC_PROMPTS).slice(0, MAX_PROMPTS);
  const buttons = (branding.prompts ?? own).map((prompt) => {
    const button = element("button", { type: "button", className: "prompt", dir: "auto" }, prompt);
    button.addEventListener("click", () => ask(prompt));
    return element("li", {}, button);
  });
  return element("ul", { className: "prompts", "aria-label": "Things to ask" }, ...buttons);
}

/**
 * @param {Manifest} manifest
 * @returns {string}
 */
function downloadText({ weights }) {
  return `${formatBytes(weights.nbytes)} to download`;
}
