/**
 * Bicubic resizing, equal to Pillow's in every pixel: columns first, then rows. The twin of
 * webgemma/image/resize.py; both pass tests/cases/resize.json.
 *
 * A canvas does otherwise: when an image shrinks, the filter here widens with it, so that every
 * pixel counts. Weighted sums are whole numbers, so rows may be added as they come.
 */

/** @typedef {{width: number, height: number}} Size */

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
 * @param {Size} from
 * @param {Uint8Array} pixels [from.height, from.width, 4]
 * @param {Size} to
 * @returns {Uint8Array} [to.height, to.width, 3]
 */
export function resize(from, pixels, to) {
  const resizer = new Resizer(from, to);
  resizer.push(pixels, from.width * 4);
  return resizer.finish();
}

/** Resizes an image whose rows come one after the other; it keeps no more than the result. */
export class Resizer {
  /**
   * @param {Size} from
   * @param {Size} to
   */
  constructor(from, to) {
    this.columns = pixelTaps(from.width, to.width);
    this.rows = pixelTaps(from.height, to.height);
    this.narrow = new Uint8Array(to.width * CHANNELS); // the last row that came, resized
    this.sums = new Int32Array(to.height * to.width * CHANNELS).fill(FIXED_POINT / 2);
    this.numRows = 0; // that have come
    this.finished = 0; // rows of the result that need none of those to come
  }

  /**
   * Take the rows that follow.
   * @param {Uint8Array} pixels [rows, from.width, 4], rows apart by `rowNbytes`
   * @param {number} rowNbytes
   */
  push(pixels, rowNbytes) {
    for (let start = 0; start < pixels.length; start += rowNbytes) {
      narrowRow(this.columns, pixels, start, this.narrow);
      this.addRow(this.numRows++);
    }
  }

  /**
   * Add the row that came to those of the result that it is part of.
   * @param {number} number of the row
   */
  addRow(number) {
    const { rows, narrow, sums } = this;
    while (this.finished < rows.length && endOf(rows[this.finished]) <= number) this.finished++;
    for (let row = this.finished; row < rows.length && rows[row].first <= number; row++) {
      const weight = rows[row].weights[number - rows[row].first];
      const at = row * narrow.length;
      for (let i = 0; i < narrow.length; i++) sums[at + i] += weight * narrow[i];
    }
  }

  /**
   * The result, when all rows have come.
   * @returns {Uint8Array} [to.height, to.width, 3]
   */
  finish() {
    return Uint8Array.from(this.sums, toByte);
  }
}

/**
 * Resize one row.
 * @param {Taps[]} columns of the result
 * @param {Uint8Array} pixels [from.width, 4] from `start` on
 * @param {number} start
 * @param {Uint8Array} narrow [to.width, 3], written
 */
function narrowRow(columns, pixels, start, narrow) {
  let at = 0;
  for (const { first, weights } of columns) {
    let red = FIXED_POINT / 2;
    let green = red;
    let blue = red;
    let from = start + first * 4;
    for (let i = 0; i < weights.length; i++, from += 4) {
      const weight = weights[i];
      red += weight * pixels[from];
      green += weight * pixels[from + 1];
      blue += weight * pixels[from + 2];
    }
    narrow[at++] = toByte(red);
    narrow[at++] = toByte(green);
    narrow[at++] = toByte(blue);
  }
}

/**
 * @param {Taps} taps
 * @returns {number} the first pixel of the source behind them
 */
function endOf({ first, weights }) {
  return first + weights.length;
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
