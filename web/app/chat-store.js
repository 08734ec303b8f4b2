/** Keeps conversations on this device: in IndexedDB, where a write is whole or did not happen. */

/** @import { Conversation } from "./conversations.js" */

const CHATS = "chats";
const MS_TO_OPEN = 4000; // some browsers never answer

/**
 * @typedef {object} ChatStore
 * @property {() => Promise<unknown[]>} all what was kept; whoever reads it checks it
 * @property {(conversations: Conversation[]) => Promise<void>} put all of them or none
 * @property {(id: string) => Promise<void>} remove
 */

/** Where nothing can be kept. @type {ChatStore} */
export const NOWHERE = { all: async () => [], put: async () => {}, remove: async () => {} };

/**
 * Open the store of a site; fails where the browser has none, or none in a private window.
 * @param {string} name
 * @returns {Promise<ChatStore>}
 */
export async function openChatStore(name) {
  /** @type {IDBDatabase | null} */
  let open = await openDatabase(name);
  /** @type {<T>(mode: IDBTransactionMode, work: (chats: IDBObjectStore) => IDBRequest<T> | void) => Promise<T>} */
  const transact = async (mode, work) => {
    open ??= await openDatabase(name);
    open.onclose = () => (open = null); // the browser cleared its storage: the next call opens it again
    return finished(open.transaction(CHATS, mode), work);
  };
  return {
    all: () => transact("readonly", (chats) => chats.getAll()),
    put: (conversations) =>
      transact("readwrite", (chats) => {
        for (const conversation of conversations) chats.put(conversation);
      }),
    remove: (id) => transact("readwrite", (chats) => chats.delete(id)),
  };
}

/**
 * @param {string} name
 * @returns {Promise<IDBDatabase>}
 */
function openDatabase(name) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(CHATS, { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    setTimeout(() => reject(new DOMException("no answer", "TimeoutError")), MS_TO_OPEN);
  });
}

/**
 * @template T
 * @param {IDBTransaction} transaction
 * @param {(chats: IDBObjectStore) => IDBRequest<T> | void} work
 * @returns {Promise<T>}
 */
function finished(transaction, work) {
  return new Promise((resolve, reject) => {
    const request = work(transaction.objectStore(CHATS));
    transaction.oncomplete = () => resolve(/** @type {T} */ (request?.result));
    transaction.onabort = () => reject(transaction.error ?? new DOMException("", "AbortError"));
    transaction.commit(); // at once: what is asked for stays, even if the page is left now
  });
}
