/** Keeps the page for days without a network, and up to date on all others. */

const SECONDS_TO_INSTALL = 60;

/** @type {{createScriptURL(url: string): unknown} | undefined} */
let policy;

/** Let the browser keep the page. Where it does not, the page needs a network and works as well. */
export async function keepPage() {
  const url = new URL("../sw.js", import.meta.url).href;
  const { trustedTypes } = /** @type {any} */ (globalThis);
  policy ??= trustedTypes?.createPolicy("webgemma-page", { createScriptURL: () => url });
  const script = /** @type {string} */ (policy?.createScriptURL(url) ?? url);
  await navigator.serviceWorker
    ?.register(script, { updateViaCache: "none" })
    .catch((error) => console.info(`This page is not kept for offline use: ${error.message}`));
}

/**
 * Make sure that the page is of the build whose models it is about to show; if it is older, fetch
 * the new one and reload.
 * @param {string | undefined} version of the page, as the list of models has it
 * @returns {Promise<"current" | "reloading" | "blocked">} blocked: another tab shows the old page,
 *   or the new one is not complete yet
 */
export async function bringUpToDate(version) {
  const controller = navigator.serviceWorker?.controller;
  if (!controller || !version || (await ask(controller, "version")) === version) return "current";
  const registration = await navigator.serviceWorker.getRegistration();
  await registration?.update().catch(() => {});
  const waiting = registration?.waiting ?? (await installed(registration?.installing));
  if (!waiting) return "blocked";
  const changed = new Promise((resolve) => {
    navigator.serviceWorker.addEventListener("controllerchange", resolve, { once: true });
  });
  if (!(await ask(waiting, "take over"))) return "blocked";
  await changed;
  location.reload();
  return "reloading";
}

/**
 * Give the address back if this page only came from what the browser kept: another site may be there
 * now, as on the ports of one's own machine.
 * @returns {Promise<boolean>} whether it did; the address is being loaded anew
 */
export async function leavePage() {
  if (!navigator.serviceWorker?.controller) return false;
  const registration = await navigator.serviceWorker.getRegistration();
  await registration?.unregister();
  location.reload();
  return true;
}

/**
 * @param {ServiceWorker} worker
 * @param {string} question
 * @returns {Promise<unknown>}
 */
function ask(worker, question) {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = ({ data }) => resolve(data);
    worker.postMessage(question, [port2]);
  });
}

/**
 * Wait until a worker has stored its build.
 * @param {ServiceWorker | null | undefined} worker
 * @returns {Promise<ServiceWorker | null>} null where it could not
 */
function installed(worker) {
  if (!worker) return Promise.resolve(null);
  return new Promise((resolve) => {
    const check = () => {
      if (worker.state !== "installing") resolve(worker.state === "redundant" ? null : worker);
    };
    worker.addEventListener("statechange", check);
    setTimeout(() => resolve(null), 1000 * SECONDS_TO_INSTALL);
    check();
  });
}
