/** What makes a page its owner's: title, greeting, prompts and logo, from branding.json. */

import { byId } from "./dom.js";

/**
 * @typedef {object} Branding
 * @property {string} [title] what the page is called
 * @property {string} [greeting] stands above an empty chat
 * @property {string[]} [prompts] things to ask
 * @property {string} [logo] file name, beside branding.json
 */

const FILE = new URL("./branding.json", import.meta.url);
const OWN_TITLE = "webgemma";

/**
 * Read the branding. Without it, for whatever reason, the page works as well.
 * @returns {Promise<Branding>}
 */
export async function loadBranding() {
  try {
    const response = await fetch(FILE);
    return response.ok ? await response.json() : {};
  } catch (error) {
    console.info("This page is shown without its branding:", error);
    return {};
  }
}

/**
 * Show the logo. An SVG stands in an <img>, where it runs no script and fetches nothing.
 * @param {Branding} branding
 */
export function showLogo({ logo }) {
  if (!logo) return;
  const href = new URL(logo, FILE).href;
  byId("logo", HTMLImageElement).src = href;
  byId("icon", HTMLLinkElement).href = href;
}

/**
 * The title of the window.
 * @param {Branding} branding
 * @param {string} model its name
 * @returns {string}
 */
export function windowTitle({ title }, model) {
  return `${model} · ${title ?? OWN_TITLE}`;
}
