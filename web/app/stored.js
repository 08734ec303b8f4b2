/** What is kept on this device, at the end of the settings: each model, its size, and its deletion. */

/** @import { Manifest, StoredModel } from "../webgemma/types.d.ts" */

import { deleteStoredModel, storageReport } from "../webgemma/index.js";
import { byId, element } from "./dom.js";
import { formatBytes } from "./format.js";
import { weightsImport } from "./weights-import.js";

/**
 * Fill its part of the settings whenever they are opened.
 * @param {() => Manifest | null} current the model that is on the page
 */
export function watchStored(current) {
  const root = byId("stored", HTMLDivElement);
  byId("settings", HTMLDivElement).addEventListener("toggle", (event) => {
    if (/** @type {ToggleEvent} */ (event).newState === "open") show(root, current());
  });
}

/**
 * @param {HTMLElement} root
 * @param {Manifest | null} manifest of the model whose files may be imported
 */
async function show(root, manifest) {
  const { kind, models, free_nbytes } = await storageReport();
  if (kind === "memory") {
    const text = "This browser keeps nothing here: models are downloaded at every visit.";
    root.replaceChildren(element("p", {}, text));
    return;
  }
  const room = Number.isFinite(free_nbytes) ? `${formatBytes(free_nbytes)} free` : "";
  root.replaceChildren(
    element("h3", {}, "Kept on this device"),
    element("ul", {}, ...models.map((model) => row(model, () => show(root, manifest)))),
    element("p", {}, models.length ? room : ["Nothing yet", room].filter(Boolean).join(" · ")),
    ...(manifest ? [weightsImport(manifest)] : []),
  );
}

/**
 * @param {StoredModel} model
 * @param {() => void} changed
 * @returns {HTMLElement}
 */
function row({ name, url, stored_nbytes, is_complete }, changed) {
  const size = formatBytes(stored_nbytes) + (is_complete ? "" : ", not complete");
  const label = `Delete ${name} from this device`;
  const button = element(
    "button",
    { type: "button", className: "quiet", "aria-label": label },
    "Delete",
  );
  button.addEventListener("click", async () => {
    button.disabled = true;
    await deleteStoredModel(url);
    changed();
  });
  return element("li", {}, element("span", {}, name, element("small", {}, size)), button);
}
