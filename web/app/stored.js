/** What is kept on this device, at the end of the settings: each model, its size, and its deletion. */

/** @import { StoredModel } from "../webgemma/types.d.ts" */

import { deleteStoredModel, storageReport } from "../webgemma/index.js";
import { byId, element } from "./dom.js";
import { formatBytes } from "./format.js";

/** Fills its part of the settings whenever they are opened. */
export function watchStored() {
  const root = byId("stored", HTMLDivElement);
  byId("settings", HTMLDivElement).addEventListener("toggle", (event) => {
    if (/** @type {ToggleEvent} */ (event).newState === "open") show(root);
  });
}

/** @param {HTMLElement} root */
async function show(root) {
  const { kind, models, free_nbytes } = await storageReport();
  if (kind === "memory") {
    const text = "This browser keeps nothing here: models are downloaded at every visit.";
    root.replaceChildren(element("p", {}, text));
    return;
  }
  const room = Number.isFinite(free_nbytes) ? `${formatBytes(free_nbytes)} free` : "";
  root.replaceChildren(
    element("h3", {}, "Kept on this device"),
    element("ul", {}, ...models.map((model) => row(model, () => show(root)))),
    element("p", {}, models.length ? room : ["Nothing yet", room].filter(Boolean).join(" · ")),
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
