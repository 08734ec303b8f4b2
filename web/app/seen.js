/**
 * An answer about a picture: a text, or boxes over the picture and a list of them, so that what is
 * drawn can also be read and heard.
 */

/** @import { Picture } from "./picture.js" */

import { parseBoxes } from "../webgemma/index.js";
import { element } from "./dom.js";
import { fit, pictureImage } from "./picture.js";

/** @typedef {ReturnType<typeof parseBoxes>[number]} Box */

const NUM_COLOURS = 6; // of picture.css
const FRAME_HEIGHT = 24; // rem
const NO_LABEL = "something";
const NEAR_THE_TOP = 0.12; // from there on a label has no room above its box

/** Shows a growing answer about a picture. */
export class SeenView {
  /**
   * @param {HTMLElement} root
   * @param {Picture} picture
   */
  constructor(root, picture) {
    this.root = root;
    this.picture = picture;
    this.canvas = pictureFrame(picture);
    this.list = element("ol", { className: "found" });
  }

  /**
   * Show the answer so far.
   * @param {string} text
   * @param {{whole: boolean}} options whole: nothing more will come
   */
  show(text, { whole }) {
    const boxes = parseBoxes(text).map(upright);
    if (boxes.length) {
      this.showBoxes(boxes);
    } else if (whole || !text.includes("<loc")) {
      // A location that is not complete yet is no text to read.
      this.root.replaceChildren(element("p", { className: "verbatim" }, text.trim()));
    }
  }

  /** @param {Box[]} boxes */
  showBoxes(boxes) {
    const [image] = this.canvas.children;
    this.canvas.replaceChildren(image, ...boxes.map((box, i) => drawnBox(box, i, boxes.length)));
    this.list.replaceChildren(...boxes.map(listedBox));
    if (!this.list.isConnected) this.root.replaceChildren(this.canvas, this.list);
  }
}

/**
 * The picture, as large as there is room for, with place for boxes over it.
 * @param {Picture} picture
 * @returns {HTMLElement}
 */
function pictureFrame(picture) {
  const frame = element("div", { className: "seen" });
  frame.append(pictureImage(picture, `The picture ${picture.name}`));
  fit(frame, picture, FRAME_HEIGHT);
  return frame;
}

/**
 * A box whose first edges are the smaller ones.
 * @param {Box} box
 * @returns {Box}
 */
function upright(box) {
  const [y_min, y_max] = [box.y_min, box.y_max].sort((a, b) => a - b);
  const [x_min, x_max] = [box.x_min, box.x_max].sort((a, b) => a - b);
  return { ...box, y_min, x_min, y_max, x_max };
}

/**
 * @param {Box} box
 * @param {number} index
 * @param {number} count of all boxes; several are numbered
 * @returns {HTMLElement}
 */
function drawnBox(box, index, count) {
  const name = box.label || NO_LABEL;
  const label = element("span", {}, count > 1 ? `${index + 1} ${name}` : name);
  const isLeft = box.x_min + box.x_max < 1;
  const places = [
    isLeft ? "from-left" : "from-right",
    box.y_min < NEAR_THE_TOP ? "inside" : "above",
  ];
  const className = ["box", colour(index), ...places].join(" ");
  const node = element("div", { className, "aria-hidden": "true" }, label);
  node.style.left = percent(box.x_min);
  node.style.top = percent(box.y_min);
  node.style.width = percent(box.x_max - box.x_min);
  node.style.height = percent(box.y_max - box.y_min);
  return node;
}

/**
 * A box in words: its place is read aloud only, as the picture shows it.
 * @param {Box} box
 * @param {number} index
 * @returns {HTMLElement}
 */
function listedBox(box, index) {
  const [left, top] = [box.x_min, box.y_min].map(rounded);
  const [width, height] = [box.x_max - box.x_min, box.y_max - box.y_min].map(rounded);
  const place = `: ${left} from the left, ${top} from the top, ${width} wide, ${height} high`;
  const words = element("p", {}, box.label || NO_LABEL);
  words.append(element("span", { className: "visually-hidden" }, place));
  if (box.segments.length) {
    words.append(element("code", { title: "codes of a mask" }, box.segments.join(" ")));
  }
  const number = `number ${colour(index)}`;
  return element(
    "li",
    {},
    element("span", { className: number, "aria-hidden": "true" }, `${index + 1}`),
    words,
  );
}

/** @param {number} index */
function colour(index) {
  return `colour-${index % NUM_COLOURS}`;
}

/** @param {number} fraction */
function percent(fraction) {
  return `${100 * fraction}%`;
}

/** @param {number} fraction */
function rounded(fraction) {
  return `${Math.round(100 * fraction)}\u00a0%`;
}
