/**
 * Numbers between two bounds, as grammars. The twin of webgemma/structured/numbers.py.
 *
 * A number has at most 15 digits on either side of its point: as many as a double always holds.
 */

/** @import { Node } from "./grammar.js" */

import {
  DIGITS,
  NOTHING,
  chars,
  choice,
  lexeme,
  optional,
  repeat,
  sequence,
  text,
} from "./grammar.js";

const MAX_DIGITS = 15;
const LARGEST = 10n ** 15n - 1n;
const MIN_DECIMALS = 6; // a bounded number may have so many, or two more than its bounds have

/** @type {Node} */
const NON_ZERO = { kind: "chars", ranges: [[0x31, 0x39]] };
/** Any number. */
export const NUMBER = lexeme(
  sequence(
    optional(text("-")),
    choice([text("0"), sequence(NON_ZERO, repeat(DIGITS, 0, MAX_DIGITS - 1))]),
    optional(sequence(text("."), repeat(DIGITS, 1, MAX_DIGITS))),
    optional(sequence(chars("eE"), optional(chars("+-")), repeat(DIGITS, 1, 2))),
  ),
);

/** @typedef {{value: number, isExcluded: boolean}} Bound */

/**
 * The integers within bounds; null if there are none.
 * @param {Bound | null} least
 * @param {Bound | null} most
 * @returns {Node | null}
 */
export function integerNode(least, most) {
  const node = scaled(least, most, 0);
  return node && lexeme(node);
}

/**
 * The numbers within bounds, as integers and with decimals; null if there are none.
 * @param {Bound | null} least
 * @param {Bound | null} most
 * @returns {Node | null}
 */
export function numberNode(least, most) {
  if (!least && !most) return NUMBER;
  const wanted = [least, most].map((bound) => (bound ? decimals(bound.value) + 2 : 0));
  const places = Math.min(Math.max(MIN_DECIMALS, ...wanted), MAX_DIGITS);
  const options = Array.from({ length: places + 1 }, (_, place) => scaled(least, most, place));
  const known = options.filter((option) => option !== null);
  return known.length ? lexeme(choice(known)) : null;
}

/**
 * A number as an integer and how many of its digits stand behind the point.
 * @param {number} value
 * @returns {[digits: bigint, decimals: number]} fewer than no decimals: so many zeros are missing
 */
function parts(value) {
  const [mantissa, exponent = "0"] = String(value).split("e");
  const [whole, fraction = ""] = mantissa.split(".");
  return [BigInt(whole + fraction), fraction.length - Number(exponent)];
}

/**
 * How many digits a number has after its point.
 * @param {number} value
 */
function decimals(value) {
  return Math.max(0, parts(value)[1]);
}

/**
 * A number times 10 ** places, rounded down, and whether it had to be.
 * @param {number} value
 * @param {number} places
 * @returns {[floor: bigint, isRounded: boolean]}
 */
function times(value, places) {
  const [digits, behind] = parts(value);
  if (behind <= places) return [digits * 10n ** BigInt(places - behind), false];
  const divisor = 10n ** BigInt(behind - places);
  const rest = ((digits % divisor) + divisor) % divisor;
  return [(digits - rest) / divisor, rest !== 0n];
}

/** @type {(a: bigint, b: bigint) => bigint} */
const larger = (a, b) => (a > b ? a : b);
/** @type {(a: bigint, b: bigint) => bigint} */
const smaller = (a, b) => (a < b ? a : b);

/**
 * The numbers within bounds that are written with so many digits after the point.
 * @param {Bound | null} least
 * @param {Bound | null} most
 * @param {number} places
 * @returns {Node | null}
 */
function scaled(least, most, places) {
  let last = LARGEST * 10n ** BigInt(places);
  let first = -last;
  if (least) {
    const [floor, isRounded] = times(least.value, places);
    first = larger(first, isRounded || least.isExcluded ? floor + 1n : floor);
  }
  if (most) {
    const [floor, isRounded] = times(most.value, places);
    last = smaller(last, most.isExcluded && !isRounded ? floor - 1n : floor);
  }
  const options = [];
  const smallest = smaller(last, -1n); // of the negative numbers, without their sign
  if (first <= smallest) options.push(sequence(text("-"), naturals(-smallest, -first, places)));
  if (larger(first, 0n) <= last) options.push(naturals(larger(first, 0n), last, places));
  return options.length ? choice(options) : null;
}

/**
 * The numbers first to last, 0 or more, with a point before the last `places` digits.
 * @param {bigint} first
 * @param {bigint} last
 * @param {number} places
 * @returns {Node}
 */
function naturals(first, last, places) {
  const options = [];
  const shortest = places + 1; // digits of a number with one digit before its point
  const whole = []; // sizes of which all numbers are there: those in a row are one option
  const sizes = [first, last].map((value) => Math.max(shortest, String(value).length));
  for (let size = sizes[0]; size <= sizes[1]; size++) {
    const smallest = size === shortest ? 0n : 10n ** BigInt(size - 1);
    const largest = 10n ** BigInt(size) - 1n;
    const low = larger(first, smallest);
    const high = smaller(last, largest);
    if (smallest > 0n && low === smallest && high === largest) whole.push(size);
    else options.push(between(dotted(low, size, places), dotted(high, size, places)));
  }
  if (whole.length) {
    const more = repeat(DIGITS, whole[0] - shortest, whole[whole.length - 1] - shortest);
    const fraction = places ? sequence(text("."), repeat(DIGITS, places, places)) : NOTHING;
    options.push(sequence(NON_ZERO, more, fraction));
  }
  return choice(options);
}

/**
 * The digits of a number, at least `size`, with a point before the last `places`.
 * @param {bigint} value
 * @param {number} size
 * @param {number} places
 * @returns {string}
 */
function dotted(value, size, places) {
  const digits = String(value).padStart(size, "0");
  return places ? `${digits.slice(0, -places)}.${digits.slice(-places)}` : digits;
}

/**
 * The texts from `low` to `high`, which differ in nothing but digits.
 * @param {string} low
 * @param {string} high
 * @returns {Node}
 */
function between(low, high) {
  if (low === high) return text(low);
  const [lowRest, highRest] = [low.slice(1), high.slice(1)];
  if (low[0] === high[0]) return sequence(text(low[0]), between(lowRest, highRest));
  const nines = lowRest.replace(/\d/g, "9");
  const zeros = lowRest.replace(/\d/g, "0");
  let [first, last] = [low, high].map((digits) => digits.charCodeAt(0));
  const options = [];
  if (lowRest !== zeros) {
    options.push(sequence(text(low[0]), between(lowRest, nines)));
    first++;
  }
  if (highRest !== nines) last--;
  if (first <= last) {
    options.push(sequence({ kind: "chars", ranges: [[first, last]] }, anyDigits(lowRest)));
  }
  if (highRest !== nines) options.push(sequence(text(high[0]), between(zeros, highRest)));
  return choice(options);
}

/**
 * All texts that differ from one in nothing but digits.
 * @param {string} like
 * @returns {Node}
 */
function anyDigits(like) {
  const runs = like.split(/(\.)/).filter(Boolean);
  return sequence(
    ...runs.map((run) => (run === "." ? text(run) : repeat(DIGITS, run.length, run.length))),
  );
}
