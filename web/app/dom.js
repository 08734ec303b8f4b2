/** Builds DOM nodes. Text is only ever text: there is no way from here to HTML. */

const SVG = "http://www.w3.org/2000/svg";
const ICON = { viewBox: "0 0 20 20", class: "drawing", "aria-hidden": "true" };

/**
 * Make an element; children that are texts become text nodes.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, unknown>} [properties] DOM properties, or attributes with a dash
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") node.setAttribute(name, String(value));
    else Object.assign(node, { [name]: value });
  }
  node.append(...children);
  return node;
}

/**
 * The element with an id of index.html.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function byId(id, type) {
  const node = document.getElementById(id);
  if (node instanceof type) return node;
  throw new TypeError(`index.html has no ${type.name} #${id}`);
}

/**
 * A small line drawing; what it means stands in its button's label.
 * @param {string} path of 20 by 20
 * @returns {SVGElement}
 */
export function icon(path) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [name, value] of Object.entries(ICON)) svg.setAttribute(name, value);
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}
