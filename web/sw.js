/*! webgemma, Apache-2.0 */

/**
 * Opens the page without a network, and only ever as one whole: all of its files come from one
 * build, checked against their hashes when they are stored. A newer build replaces all of them at
 * once, when no other tab shows this page.
 *
 * The models are not kept here: the engine has a store of its own (webgemma/store/).
 */

/**
 * @typedef {object} Scope what TypeScript's DOM types lack of a service worker
 * @property {{scope: string}} registration
 * @property {{matchAll(options: object): Promise<{url: string}[]>}} clients
 * @property {() => Promise<void>} skipWaiting
 * @property {(type: string, listener: (event: any) => void) => void} addEventListener
 */

// `webgemma build` fills in this line: a version, and the SHA-256 of every file of the page.
const SHELL = { version: "", files: {} };

const INDEX = "models/index.json";
const KEPT_HEADERS = [
  "content-type",
  "content-security-policy", // for the engine's worker, which has it from its own response alone
  "cross-origin-resource-policy",
  "referrer-policy",
  "x-content-type-options",
];

const worker = /** @type {Scope} */ (/** @type {unknown} */ (globalThis));
const base = worker.registration.scope;
const prefix = `webgemma-page ${base} `; // other sites may share the origin
const current = prefix + SHELL.version;
/** @type {Map<string, string>} path -> SHA-256 */
const files = new Map(Object.entries(SHELL.files));

worker.addEventListener("install", (event) => event.waitUntil(install()));
worker.addEventListener("activate", (event) => event.waitUntil(removeOthers()));
worker.addEventListener("message", (event) => event.waitUntil(answer(event)));
worker.addEventListener("fetch", (event) => {
  const path = pathOf(event.request);
  if (path === INDEX) event.respondWith(freshIndex(event.request));
  else if (path !== null && files.has(path)) event.respondWith(stored(path, event.request));
});

/** Store every file of this build, or none: a host may be in the middle of an upload. */
async function install() {
  const cache = await caches.open(current);
  try {
    await Promise.all([...files].map(([path, sha256]) => storeFile(cache, path, sha256)));
    await freshIndex(new Request(new URL(INDEX, base), { cache: "no-cache" }));
  } catch (error) {
    await caches.delete(current);
    throw error;
  }
}

/**
 * @param {Cache} cache
 * @param {string} path
 * @param {string} sha256
 */
async function storeFile(cache, path, sha256) {
  const url = new URL(path, base);
  const response = await fetch(url, { cache: "no-cache" });
  const body = await response.arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (!response.ok || hex !== sha256) throw new Error(`${path} is of another build`);
  const kept = KEPT_HEADERS.flatMap((name) => {
    const value = response.headers.get(name);
    return value === null ? [] : [/** @type {[string, string]} */ ([name, value])];
  });
  await cache.put(url, new Response(body, { headers: kept })); // follows no redirect again
}

/** Remove the pages of older builds. */
async function removeOthers() {
  for (const name of await caches.keys()) {
    if (name.startsWith(prefix) && name !== current) await caches.delete(name);
  }
}

/**
 * Answer the page: which build this is, or whether this one takes over now.
 * @param {MessageEvent} event
 */
async function answer({ data, ports: [port] }) {
  if (data === "version") port.postMessage(SHELL.version);
  if (data !== "take over") return;
  const windows = await worker.clients.matchAll({ type: "window", includeUncontrolled: true });
  const tabs = windows.filter(({ url }) => pathOf({ method: "GET", url }) === "index.html");
  port.postMessage(tabs.length <= 1); // another tab runs the old build, and may load more of it
  if (tabs.length <= 1) await worker.skipWaiting();
}

/**
 * The path of a file of the page; null for all other requests.
 * @param {{method: string, url: string}} request
 * @returns {string | null}
 */
function pathOf({ method, url }) {
  if (method !== "GET" || !url.startsWith(base)) return null;
  const path = url.slice(base.length).replace(/[?#].*$/, "");
  return path === "" ? "index.html" : path;
}

/**
 * @param {string} path
 * @param {Request} request
 * @returns {Promise<Response>}
 */
async function stored(path, request) {
  const cache = await caches.open(current);
  return (await cache.match(new URL(path, base))) ?? fetch(request);
}

/**
 * The list of models from the network, or, without one, as it was when this build was current.
 * @param {Request} request
 * @returns {Promise<Response>}
 */
async function freshIndex(request) {
  const cache = await caches.open(current);
  try {
    const response = await fetch(request);
    const { shell } = response.ok ? await response.clone().json() : { shell: null };
    if (shell === SHELL.version) await cache.put(new URL(INDEX, base), response.clone());
    return response;
  } catch (error) {
    const kept = await cache.match(new URL(INDEX, base));
    if (kept) return kept;
    throw error;
  }
}
