import assert from "node:assert/strict";
import test from "node:test";

import { intact, sha256 } from "../runtime/hash.js";
import { FileStore } from "../runtime/store/store.js";

/** Another worker, as its link is: what it is given goes over, and comes back. */
function otherWorker() {
  const asked = [];
  return {
    asked,
    call(method, { bytes }, onEvent, transfer) {
      asked.push(method);
      const theirs = structuredClone(bytes, { transfer });
      return { result: sha256(theirs).then((hash) => [hash, theirs]) };
    },
  };
}

/** A store whose files are read into memory, as long ones are, or into memory of their own. */
function storeOf(files, isLong) {
  const removed = [];
  const read = async (name, memory) => {
    if (!isLong) return files[name].slice();
    memory.buffer ??= new ArrayBuffer(100);
    const bytes = new Uint8Array(memory.buffer, 0, files[name].length);
    bytes.set(files[name]);
    return bytes;
  };
  const backend = { kind: "opfs", read, remove: async (name) => removed.push(name) };
  return { store: new FileStore(backend), removed };
}

const CONTENT = Uint8Array.of(1, 2, 3);
const HASH = await sha256(CONTENT);
const ENTRY = { nbytes: 3, sha256: HASH };

test("bytes are hashed where they were asked to be, and come back", async () => {
  const hasher = otherWorker();
  const bytes = CONTENT.slice();
  const whole = await intact(bytes, ENTRY, hasher);
  assert.deepEqual(whole, CONTENT);
  assert.equal(bytes.length, 0); // they went over
  assert.deepEqual(hasher.asked, ["hash"]);
  assert.equal(await intact(Uint8Array.of(1, 2, 4), ENTRY, hasher), null);
  assert.equal(await intact(Uint8Array.of(1, 2), ENTRY, hasher), null);
  assert.equal(hasher.asked.length, 2); // the size was wrong already
  assert.deepEqual(await intact(CONTENT, ENTRY), CONTENT);
  assert.equal(await intact(Uint8Array.of(1, 2, 4), ENTRY), null);
});

test("the memory of a stored file that another worker hashed is used again", async () => {
  const other = Uint8Array.of(4, 5);
  const hash = await sha256(other);
  const { store, removed } = storeOf({ [HASH]: CONTENT, [hash]: other }, true);
  const memory = { hasher: otherWorker() };
  assert.deepEqual(await store.get(ENTRY, memory), CONTENT);
  const { buffer } = memory;
  assert.equal(buffer.byteLength, 100);
  const next = await store.get({ nbytes: 2, sha256: hash }, memory);
  assert.deepEqual(next, other);
  assert.equal(next.buffer, memory.buffer);
  assert.equal(buffer.byteLength, 0); // it went over and came back as another object
  assert.equal(memory.hasher.asked.length, 2);
  assert.deepEqual(removed, []);
});

test("a stored file that another worker finds damaged is removed", async () => {
  const { store, removed } = storeOf({ [HASH]: Uint8Array.of(1, 2, 4) }, true);
  const memory = { hasher: otherWorker() };
  assert.equal(await store.get(ENTRY, memory), null);
  assert.deepEqual(removed, [HASH]);
});

test("a file that came in memory of its own is hashed there too", async () => {
  const { store } = storeOf({ [HASH]: CONTENT }, false);
  const memory = { hasher: otherWorker() };
  assert.deepEqual(await store.get(ENTRY, memory), CONTENT);
  assert.equal(memory.buffer.byteLength, 3);
  assert.deepEqual(memory.hasher.asked, ["hash"]);
  assert.deepEqual(await store.get(ENTRY), CONTENT);
});
