/**
 * Boxes in an answer of PaliGemma: `<loc0123>` four times, codes of a mask if any, a label. The twin
 * of webgemma/image/boxes.py; both pass tests/cases/boxes.json.
 *
 * The numbers are y_min, x_min, y_max, x_max in 1024ths of the picture; `;` separates boxes.
 */

const BINS = 1024;
const BOX = /((?:<loc\d{4}>){4})((?:<seg\d{3}>)*)([^<;]*)/g;

/**
 * A labelled box, its edges as fractions of the picture's height and width.
 * @typedef {object} Box
 * @property {string} label
 * @property {number} y_min
 * @property {number} x_min
 * @property {number} y_max
 * @property {number} x_max
 * @property {number[]} segments the raw codes <seg000>..<seg127> of a mask
 */

/**
 * The boxes of an answer, in order; a location that is not one of four is left out.
 * @param {string} text
 * @returns {Box[]}
 */
export function parseBoxes(text) {
  return Array.from(text.matchAll(BOX), ([, locations, codes, label]) => {
    const edges = numbers(locations).map((edge) => Math.min(edge, BINS - 1) / BINS);
    const [y_min, x_min, y_max, x_max] = edges;
    return { label: label.trim(), y_min, x_min, y_max, x_max, segments: numbers(codes) };
  });
}

/**
 * The numbers in a text.
 * @param {string} text
 * @returns {number[]}
 */
function numbers(text) {
  return Array.from(text.matchAll(/\d+/g), ([digits]) => Number(digits));
}
