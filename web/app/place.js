/** Which conversation a tab shows, so that a reload, or a tab that a phone let go, finds it again. */

const KEY = `webgemma chat ${new URL("./", location.href).pathname}`;

/** @returns {string} the conversation's id, or nothing */
export function readPlace() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return ""; // the browser keeps nothing here
  }
}

/** @param {string} id */
export function writePlace(id) {
  try {
    sessionStorage.setItem(KEY, id);
  } catch {
    // Then a reload begins a new chat.
  }
}
