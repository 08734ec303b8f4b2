/**
 * Every error webgemma raises on purpose: the twin of webgemma/errors.py.
 *
 *     WebGemmaError
 *     ├─ FormatError        a file is broken
 *     ├─ UnsupportedError   the file is fine, we do not do it
 *     ├─ ConfigError        the request is contradictory
 *     ├─ ProgramError       a program is wrong
 *     ├─ GpuError           no adapter, a limit too small, a shader that does not compile
 *     │  └─ DeviceLostError  the device went away (only a browser says so)
 *     └─ DownloadError      a file could not be fetched (the browser alone downloads)
 *
 * Messages follow one pattern: what failed, where: got X, expected Y. Do Z.
 */

/** Base of all errors that webgemma raises on purpose. */
export class WebGemmaError extends Error {
  /**
   * @param {string} message
   * @param {ErrorOptions} [options]
   */
  constructor(message, options) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A file is broken: names the file, the tensor or key, got and expected. */
export class FormatError extends WebGemmaError {}

/** A file is fine, but webgemma does not do what it asks for: names what is supported. */
export class UnsupportedError extends WebGemmaError {}

/** A request is contradictory or cannot be met as asked. */
export class ConfigError extends WebGemmaError {}

/** A program is wrong: names the step, the kernel and the binding. */
export class ProgramError extends WebGemmaError {}

/** No adapter, a limit that is too small, a shader that does not compile, or a device that failed. */
export class GpuError extends WebGemmaError {}

/** The device went away while a model was loaded: `engine.recover()` builds it up again. */
export class DeviceLostError extends GpuError {}

/** A file of the site could not be downloaded: names the file and the cause. */
export class DownloadError extends WebGemmaError {
  /**
   * @param {string} message
   * @param {ErrorOptions & {isPassing?: boolean}} [options] isPassing: the network or the server may
   *   recover, and nothing is known to be wrong with the site
   */
  constructor(message, options) {
    super(message, options);
    this.isPassing = options?.isPassing ?? false;
  }
}

/** @type {Record<string, typeof WebGemmaError>} */
const CLASSES = {
  WebGemmaError,
  FormatError,
  UnsupportedError,
  ConfigError,
  ProgramError,
  GpuError,
  DeviceLostError,
  DownloadError,
};

/**
 * Describe an error as plain data, to send it from the worker to the page.
 * @param {unknown} error
 * @returns {{name: string, message: string}}
 */
export function errorToData(error) {
  if (error instanceof Error) return { name: error.name, message: error.message };
  return { name: "Error", message: String(error) };
}

/**
 * Make the error again from what `errorToData` gave.
 * @param {{name: string, message: string}} data
 * @returns {Error}
 */
export function errorFromData(data) {
  const ErrorClass = CLASSES[data.name];
  if (ErrorClass) return new ErrorClass(data.message);
  const error = new Error(data.message);
  error.name = data.name;
  return error;
}
