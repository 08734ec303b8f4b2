/** Files in the Cache API, for browsers without a private file system. */

/** @import { Backend } from "./backend.d.ts" */

const NAME = "webgemma-files";
const SIZE = "content-length"; // ours: nobody compresses what stands in a cache

/**
 * Open the cache; fails where the browser has none.
 * @returns {Promise<Backend>}
 */
export async function openCache() {
  const cache = await caches.open(NAME);
  const base = new URL(`/${NAME}/`, location.href); // nothing is ever fetched from there
  const url = (/** @type {string} */ name) => new URL(name, base).href;
  return {
    kind: "cache",

    async read(name) {
      const response = await cache.match(url(name));
      return response ? new Uint8Array(await response.arrayBuffer()) : null;
    },

    async write(name, bytes) {
      const headers = { [SIZE]: String(bytes.length) };
      await cache.put(url(name), new Response(bytes, { headers }));
    },

    async remove(name) {
      await cache.delete(url(name));
    },

    async sizes() {
      const requests = await cache.keys();
      const entries = requests.map(async (request) => {
        const nbytes = Number((await cache.match(request))?.headers.get(SIZE) ?? 0);
        return /** @type {const} */ ([request.url.slice(base.href.length), nbytes]);
      });
      return new Map(await Promise.all(entries));
    },
  };
}
