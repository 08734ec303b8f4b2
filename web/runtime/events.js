/** What a call of the worker reports while it runs, as an async iterator. */

/** @import { WorkerLink } from "./link.js" */

/**
 * Call a method of the worker, and give its events out in order. Leaving the loop early, or the
 * signal, ends the call, also while it still waits for its turn.
 * @template T
 * @param {WorkerLink} link
 * @param {string} method
 * @param {object} params
 * @param {AbortSignal} [signal]
 * @returns {AsyncGenerator<T, void, void>}
 */
export function callEvents(link, method, params, signal) {
  signal?.throwIfAborted();
  /** @type {T[]} */
  const queue = [];
  let wake = () => {};
  let isDone = false;
  const { id, result } = link.call(method, params, (event) => {
    queue.push(event);
    wake();
  });
  const over = new AbortController(); // forgets the signal's listener
  const aborted = new Promise((_, reject) => {
    const abort = () => {
      link.interrupt(id);
      queue.length = 0;
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", abort, { once: true, signal: over.signal });
  });
  const end = Promise.race([result, aborted]).finally(() => {
    isDone = true;
    over.abort();
    wake();
  });
  end.catch(() => {}); // thrown below

  async function* events() {
    try {
      while (!isDone || queue.length) {
        const event = queue.shift();
        if (event) yield event;
        else await new Promise((resolve) => (wake = () => resolve(undefined)));
      }
      await end;
    } finally {
      if (!isDone) link.interrupt(id);
    }
  }
  return events();
}
