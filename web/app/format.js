/** Numbers as people read them. */

/**
 * Bytes in decimal units, as download managers show them.
 * @param {number} nbytes
 * @returns {string}
 */
export function formatBytes(nbytes) {
  if (nbytes < 1e6) return `${Math.ceil(nbytes / 1e3)} kB`;
  if (nbytes < 1e7) return `${(nbytes / 1e6).toFixed(1)} MB`;
  if (nbytes < 1e9) return `${Math.round(nbytes / 1e6)} MB`;
  return `${(nbytes / 1e9).toFixed(2)} GB`;
}

/**
 * A count in short: 3.4 million.
 * @param {number} count
 * @returns {string}
 */
export function formatCount(count) {
  if (count >= 1e9) return `${(count / 1e9).toFixed(1)} billion`;
  if (count >= 1e6) return `${(count / 1e6).toFixed(1)} million`;
  return count.toLocaleString("en");
}

/**
 * A time to wait, rounded so that it does not flicker.
 * @param {number} seconds
 * @returns {string}
 */
export function formatSeconds(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/**
 * What a download says of itself: "12 MB of 262 MB · 48 MB/s · 5 s left".
 * @param {{loaded_nbytes: number, total_nbytes: number, rate: number}} progress
 * @returns {string}
 */
export function formatDownload({ loaded_nbytes, total_nbytes, rate }) {
  const parts = [`${formatBytes(loaded_nbytes)} of ${formatBytes(total_nbytes)}`];
  const left = total_nbytes - loaded_nbytes;
  if (rate > 0 && left > 0) {
    parts.push(`${formatBytes(rate)}/s`, `${formatSeconds(left / rate)} left`);
  }
  return parts.join(" · ");
}

/**
 * A speed with as many digits as say something.
 * @param {number} rate
 * @returns {string}
 */
export function formatRate(rate) {
  return `${rate < 10 ? rate.toFixed(1) : Math.round(rate)} tokens/s`;
}

/**
 * How much of something is used: "312 of 1,024 tokens".
 * @param {number} tokens
 * @param {number} room
 * @returns {string}
 */
export function formatUse(tokens, room) {
  return `${tokens.toLocaleString("en")} of ${room.toLocaleString("en")} tokens`;
}
