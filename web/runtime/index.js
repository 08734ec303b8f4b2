/*! webgemma, Apache-2.0 */

/** The public names of the runtime. */

export { reportDevice } from "./diagnostics.js";
export { Engine } from "./engine.js";
export {
  ConfigError,
  DeviceLostError,
  DownloadError,
  FormatError,
  GpuError,
  ProgramError,
  UnsupportedError,
  WebGemmaError,
} from "./errors.js";
export { parseBoxes } from "./image/boxes.js";
export { checkSize as checkImageSize } from "./image/decode.js";
export { fetchManifest } from "./files.js";
export { startWorker } from "./link.js";
export { estimateMemory } from "./plan.js";
export { deleteStoredModel, importModel, persistStorage, storageReport } from "./storage.js";
