/** What a load takes, and what of it may not work on this device, in words. */

/** @import { MemoryEstimate } from "../webgemma/types.d.ts" */

import { formatBytes } from "./format.js";

const GIB = 2 ** 30;
const MOST_MEMORY_SAID = 8 * GIB; // browsers name no larger memory, or none

/**
 * What of a load may not work on this device, as far as the browser says.
 * @param {MemoryEstimate} needs
 * @returns {string}
 */
export function doubts(needs) {
  const { peak_nbytes, free_storage_nbytes, device_memory_nbytes } = needs;
  const missing = needs.download_nbytes - needs.stored_nbytes;
  const lines = [];
  const memory = device_memory_nbytes ?? MOST_MEMORY_SAID;
  if (memory < MOST_MEMORY_SAID && peak_nbytes > memory / 2) {
    lines.push(`This device has ${Math.round(memory / GIB)} GB of memory: it may be too little.`);
  }
  if (free_storage_nbytes !== null && free_storage_nbytes < missing) {
    const room = formatBytes(free_storage_nbytes);
    lines.push(`The browser has room to keep ${room}: the rest would be downloaded each time.`);
  }
  return lines.length ? `. ${lines.join(" ")}` : "";
}

/**
 * @param {MemoryEstimate} needs
 * @returns {string}
 */
export function memoryText({ peak_nbytes, context_window_size }) {
  const tokens = context_window_size.toLocaleString("en");
  return `${formatBytes(peak_nbytes)} of memory for a context of ${tokens} tokens`;
}
