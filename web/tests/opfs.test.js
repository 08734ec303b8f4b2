import assert from "node:assert/strict";
import test from "node:test";

import { openOpfs } from "../runtime/store/opfs.js";

/** The store of a folder, as the browser would give it. */
function open(folder) {
  const storage = { getDirectory: async () => ({ getDirectoryHandle: async () => folder }) };
  Object.defineProperty(globalThis, "navigator", { value: { storage }, configurable: true });
  return openOpfs();
}

/** A handle of a stored file that a worker has: of these bytes. */
function handleOf(content) {
  const access = {
    getSize: () => content.length,
    read(bytes, { at }) {
      bytes.set(content.subarray(at));
      return content.length;
    },
    close() {},
  };
  return {
    getFile: async () => ({ size: content.length }),
    createSyncAccessHandle: async () => access,
  };
}

test("files are read one after another into the same memory, where it is large enough", async () => {
  const MIB = 2 ** 20;
  const files = { large: 3 * MIB, small: MIB, larger: 4 * MIB };
  const contents = new Map(
    Object.entries(files).map(([name, size], i) => [name, new Uint8Array(size).fill(i + 1)]),
  );
  const store = await open({ getFileHandle: async (name) => handleOf(contents.get(name)) });
  const memory = {};
  const large = await store.read("large", memory);
  assert.deepEqual([large.length, large[0]], [3 * MIB, 1]);
  const small = await store.read("small", memory);
  assert.equal(small.buffer, large.buffer);
  assert.deepEqual([small.length, small.at(-1)], [MIB, 2]);
  const larger = await store.read("larger", memory);
  assert.notEqual(larger.buffer, large.buffer);
  assert.deepEqual([larger.length, larger.at(-1)], [4 * MIB, 3]);
  const alone = await store.read("small");
  assert.notEqual(alone.buffer, larger.buffer);
  assert.deepEqual([alone.length, alone[0]], [MIB, 2]);
});

test("a file that is gone before its size is read is left out", async () => {
  const gone = () => Promise.reject(new DOMException("gone", "NotFoundError"));
  const folder = {
    async *[Symbol.asyncIterator]() {
      yield ["kept", { getFile: async () => ({ size: 7 }) }];
      yield ["kept.crswap", { getFile: gone }];
    },
  };
  const store = await open(folder);
  assert.deepEqual([...(await store.sizes())], [["kept", 7]]);
});
