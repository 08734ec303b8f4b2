/**
 * Bicubic resizing, equal to Pillow's in every pixel: columns first, then rows. The twin of
 * webgemma/image/resize.py; both pass tests/cases/resize.json.
 *
 * A canvas does otherwise: when an image shrinks, the filter here widens with it, so that every
 * pixel counts. Rows can be given as they are decoded: what is kept of each is as narrow as the result.
 */

const A = -0.5; // of Keys' cubic
const SUPPORT = 2; // its reach in pixels to either side
const FRACTION_BITS = 22; // of the weights: 32 bits less those of a byte and two of headroom
const FIXED_POINT = 2 ** FRACTION_BITS;
const CHANNELS = 3; // red, green, blue: of four, the last is left out

/**
 * What one pixel of the result is made of.
 * @typedef {object} Taps
 * @property {number} first pixel of the source
 * @property {Int32Array} weights of it and those after it; their sum is 2^22 but for rounding
 */

/**
 * Resize an image; its proportions are not kept.
 * @param {{width: number, height: number}} from
 * @param {Iterable<Uint8Array>} strips its pixels from the top, uint8 [rows, from.width, 4] each
 * @param {{width: number, height: number}} to
 * @returns {Uint8Array} [to.height, to.width, 3]
 */
export function resize(from, strips, to) {
  const resizer = new Resizer(from, to);
  for (const strip of strips) resizer.push(strip);
  return resizer.finish();
}

/** Resizes an image that comes strip by strip. */
export class Resizer {
  /**
   * @param {{width: number, height: number}} from
   * @param {{width: number, height: number}} to
   */
  constructor(from, to) {
    this.from = from;
    this.to = to;
    this.columnTaps = pixelTaps(from.width, to.width);
    this.narrow = new Uint8Array(from.height * to.width * CHANNELS); // [from.height, to.width, 3]
    this.numRows = 0; // of `narrow` that are there
  }

  /**
   * Take the rows that follow.
   * @param {Uint8Array} strip [rows, from.width, 4]
   */
  push(strip) {
    const rowNbytes = this.from.width * 4;
    for (let at = 0; at < strip.length; at += rowNbytes) {
      const target = this.numRows++ * this.to.width * CHANNELS;
      resample(this.columnTaps, strip, at, 4, this.narrow, target, CHANNELS);
    }
  }

  /**
   * Resize the columns of what has come.
   * @returns {Uint8Array} [to.height, to.width, 3]
   */
  finish() {
    const { width, height } = this.to;
    const resized = new Uint8Array(height * width * CHANNELS);
    const taps = pixelTaps(this.from.height, height);
    const row = width * CHANNELS;
    for (let at = 0; at < row; at += CHANNELS)
      resample(taps, this.narrow, at, row, resized, at, row);
    return resized;
  }
}

/**
 * Resample one line of pixels, a row or a column.
 * @param {Taps[]} taps of every pixel of the result
 * @param {Uint8Array} source
 * @param {number} start of the line in it
 * @param {number} step from pixel to pixel in it
 * @param {Uint8Array} target
 * @param {number} at where the line starts in that
 * @param {number} targetStep
 */
function resample(taps, source, start, step, target, at, targetStep) {
  for (const { first, weights } of taps) {
    let red = FIXED_POINT / 2;
    let green = red;
    let blue = red;
    let from = start + first * step;
    for (let i = 0; i < weights.length; i++, from += step) {
      const weight = weights[i];
      red += weight * source[from];
      green += weight * source[from + 1];
      blue += weight * source[from + 2];
    }
    target[at] = toByte(red);
    target[at + 1] = toByte(green);
    target[at + 2] = toByte(blue);
    at += targetStep;
  }
}

/**
 * A fixed-point sum as a byte. The cubic overshoots by far less than the headroom of 32 bits.
 * @param {number} sum
 * @returns {number}
 */
function toByte(sum) {
  return Math.max(0, Math.min(255, sum >> FRACTION_BITS));
}

/**
 * For each of `length` pixels: those of the source it is made of, and their weights.
 * @param {number} sourceLength
 * @param {number} length
 * @returns {Taps[]}
 */
export function pixelTaps(sourceLength, length) {
  const scale = sourceLength / length;
  const stretch = Math.max(scale, 1);
  return Array.from({ length }, (_, pixel) => {
    const center = (pixel + 0.5) * scale;
    const first = Math.max(Math.trunc(center - SUPPORT * stretch + 0.5), 0);
    const last = Math.min(Math.trunc(center + SUPPORT * stretch + 0.5), sourceLength);
    const weights = Array.from({ length: last - first }, (_, i) =>
      cubic((first + i - center + 0.5) / stretch),
    );
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { first, weights: Int32Array.from(weights, (weight) => toFixed(weight / sum)) };
  });
}

/**
 * A weight in fixed point, halves away from zero.
 * @param {number} weight
 * @returns {number}
 */
function toFixed(weight) {
  const fixed = weight * FIXED_POINT;
  return Math.trunc(fixed + (fixed < 0 ? -0.5 : 0.5));
}

/**
 * Keys' cubic at a distance of x pixels.
 * @param {number} x
 * @returns {number}
 */
export function cubic(x) {
  x = Math.abs(x);
  if (x < 1) return ((A + 2) * x - (A + 3)) * x * x + 1;
  if (x < SUPPORT) return (((x - 5) * x + 8) * x - 4) * A;
  return 0;
}
