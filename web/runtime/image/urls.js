/** Pictures that a request names by data: or blob: URL; no other is fetched. */

import { ConfigError } from "../errors.js";

/**
 * The file behind a data: or blob: URL.
 * @param {string} url
 * @returns {Promise<Blob>}
 */
export async function fetchUrl(url) {
  if (url.startsWith("data:")) return parseDataUrl(url);
  const response = await fetch(url).catch((cause) => {
    throw unreadable(
      "its blob: URL could not be fetched (revoked, or the policy forbids it)",
      cause,
    );
  });
  return response.blob();
}

/**
 * The bytes of a data: URL, without a request, which policies may forbid.
 * @param {string} url
 * @returns {Blob}
 */
function parseDataUrl(url) {
  const comma = url.indexOf(",");
  const header = url.slice(0, Math.max(0, comma));
  if (!header.endsWith(";base64")) throw unreadable("its data: URL is not in base64");
  try {
    return new Blob([Uint8Array.from(atob(url.slice(comma + 1)), (c) => c.charCodeAt(0))]);
  } catch (cause) {
    throw unreadable("its data: URL is not in base64", cause);
  }
}

/**
 * The error of a picture that cannot be read.
 * @param {string} why
 * @param {unknown} [cause]
 * @returns {ConfigError}
 */
export function unreadable(why, cause) {
  const reason = why.replace(/\.$/, "");
  return new ConfigError(`image: not one that can be read: ${reason}. Give a PNG or JPEG file.`, {
    cause,
  });
}
