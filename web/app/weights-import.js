/** Takes a model's files from this device, where somebody has them already: chosen, or dropped. */

/** @import { Manifest } from "../webgemma/types.d.ts" */

import { importModel } from "../webgemma/index.js";
import { element } from "./dom.js";
import { formatBytes } from "./format.js";

const MAX_FILES = 10_000; // of what is dropped: somebody may drop a whole disk
const NAMED = 3; // missing files

/**
 * A place to give a model's files to. Which file is which is told by its hash, whatever its name.
 * @param {Manifest} manifest
 * @param {() => void} [completed] called when all of the model is here
 * @returns {HTMLElement}
 */
export function weightsImport(manifest, completed) {
  const status = element("p", { role: "status" });
  const take = async (/** @type {File[]} */ files) => {
    if (!files.length) return;
    status.textContent = "Reading…";
    const { text, isComplete } = await importFiles(manifest, files, (line) => {
      status.textContent = line;
    });
    status.textContent = text;
    if (isComplete) completed?.();
  };
  const root = element(
    "div",
    { className: "weights-import" },
    element("p", {}, "Are its files on this device already? Drop its folder here, or choose"),
    picker("a folder", true, take),
    picker("files", false, take),
    status,
  );
  listen(root, take);
  return root;
}

/**
 * @param {Manifest} manifest
 * @param {File[]} files
 * @param {(line: string) => void} onProgress
 * @returns {Promise<{text: string, isComplete: boolean}>}
 */
async function importFiles({ id, name }, files, onProgress) {
  const url = new URL(`./models/${encodeURIComponent(id)}/`, location.href);
  try {
    const { imported, missing } = await importModel(url, files, (progress) => {
      const { loaded_nbytes, total_nbytes } = progress;
      onProgress(`${formatBytes(loaded_nbytes)} of ${formatBytes(total_nbytes)} read`);
    });
    return { text: outcome(name, imported, missing), isComplete: missing.length === 0 };
  } catch (error) {
    return { text: /** @type {Error} */ (error).message, isComplete: false };
  }
}

/**
 * What an import came to.
 * @param {string} name of the model
 * @param {number} imported
 * @param {string[]} missing
 * @returns {string}
 */
function outcome(name, imported, missing) {
  if (!missing.length) return `All of ${name} is on this device.`;
  if (!imported) return `None of these files is of this build of ${name}.`;
  const shown = missing.slice(0, NAMED).join(", ");
  const more = missing.length > NAMED ? ` and ${missing.length - NAMED} more` : "";
  return `${imported} taken. Still missing: ${shown}${more}.`;
}

/**
 * @param {string} label
 * @param {boolean} isFolder
 * @param {(files: File[]) => void} take
 * @returns {HTMLElement}
 */
function picker(label, isFolder, take) {
  const input = element("input", { type: "file", multiple: true, hidden: true });
  input.webkitdirectory = isFolder;
  input.addEventListener("change", () => {
    take(Array.from(input.files ?? []));
    input.value = "";
  });
  const button = element("button", { type: "button", className: "quiet" }, label);
  button.title = `Choose ${label} of the model`;
  button.addEventListener("click", () => input.click());
  return element("span", {}, button, input);
}

/**
 * @param {HTMLElement} root
 * @param {(files: File[]) => void} take
 */
function listen(root, take) {
  const over = (/** @type {boolean} */ isOver) => root.classList.toggle("is-over", isOver);
  root.addEventListener("dragover", (event) => {
    event.preventDefault();
    event.stopPropagation(); // to what takes pictures
    over(true);
  });
  root.addEventListener("dragleave", () => over(false));
  root.addEventListener("drop", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    over(false);
    take(await droppedFiles(event.dataTransfer?.items ?? []));
  });
}

/**
 * All files of what was dropped, those in folders too.
 * @param {Iterable<DataTransferItem>} items
 * @returns {Promise<File[]>}
 */
async function droppedFiles(items) {
  // All entries first: the list of items is empty once anything was awaited.
  const entries = Array.from(items, (item) => item.webkitGetAsEntry());
  const waiting = entries.filter((entry) => entry !== null);
  /** @type {File[]} */
  const files = [];
  for (let entry = waiting.pop(); entry && files.length < MAX_FILES; entry = waiting.pop()) {
    if (entry.isFile) files.push(await fileOf(/** @type {FileSystemFileEntry} */ (entry)));
    else waiting.push(...(await entriesOf(/** @type {FileSystemDirectoryEntry} */ (entry))));
  }
  return files;
}

/**
 * @param {FileSystemFileEntry} entry
 * @returns {Promise<File>}
 */
function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

/**
 * @param {FileSystemDirectoryEntry} folder
 * @returns {Promise<FileSystemEntry[]>}
 */
async function entriesOf(folder) {
  const reader = folder.createReader();
  /** @type {FileSystemEntry[]} */
  const entries = [];
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return entries;
    entries.push(...some);
  }
}
