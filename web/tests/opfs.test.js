import assert from "node:assert/strict";
import test from "node:test";

import { openOpfs } from "../runtime/store/opfs.js";

test("a file that is gone before its size is read is left out", async () => {
  const gone = () => Promise.reject(new DOMException("gone", "NotFoundError"));
  const folder = {
    async *[Symbol.asyncIterator]() {
      yield ["kept", { getFile: async () => ({ size: 7 }) }];
      yield ["kept.crswap", { getFile: gone }];
    },
  };
  const storage = { getDirectory: async () => ({ getDirectoryHandle: async () => folder }) };
  Object.defineProperty(globalThis, "navigator", { value: { storage }, configurable: true });
  const store = await openOpfs();
  assert.deepEqual([...(await store.sizes())], [["kept", 7]]);
});
