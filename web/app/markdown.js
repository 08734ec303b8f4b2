/**
 * Markdown to DOM nodes. marked's lexer gives tokens; each becomes an element by createElement and
 * its text by textContent, so that nothing a model writes is ever parsed as HTML: tags are shown as
 * they are, images as their text, and links only with a scheme that is safe to follow.
 */

import { say } from "./announce.js";
import { element } from "./dom.js";

/**
 * What marked's lexer yields, as far as it is used here.
 * @typedef {object} Token
 * @property {string} type
 * @property {string} raw
 * @property {string} [text]
 * @property {Token[]} [tokens]
 * @property {string} [href]
 * @property {number} [depth]
 * @property {string} [lang]
 * @property {boolean} [ordered]
 * @property {number | ""} [start]
 * @property {boolean} [checked]
 * @property {Token[]} [items]
 * @property {(string | null)[]} [align]
 * @property {Cell[]} [header]
 * @property {Cell[][]} [rows]
 */
/** @typedef {{tokens: Token[]}} Cell */
/** @typedef {(markdown: string) => Token[]} Lexer */

const SAFE_SCHEMES = ["http:", "https:", "mailto:"];
const MAX_DEPTH = 24; // deeper nesting is shown as text
const ALIGNMENTS = ["left", "center", "right"];
const ENTITY = /&(?:#(\d{1,7})|#x([\da-f]{1,6})|(amp|lt|gt|quot|apos|nbsp));/gi;
/** @type {Record<string, string>} */
const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0" };

/**
 * Keeps an element showing a markdown text that grows; blocks that did not change keep their nodes.
 */
export class MarkdownView {
  /**
   * @param {HTMLElement} root
   * @param {Lexer} lexer
   */
  constructor(root, lexer) {
    this.root = root;
    this.lexer = lexer;
    /** @type {{raw: string, node: Node}[]} */
    this.blocks = [];
  }

  /**
   * Show a text.
   * @param {string} markdown
   * @param {{whole?: boolean}} [options] `whole` renders every block anew: a link definition at the
   *   end may have changed the ones before
   */
  show(markdown, { whole = false } = {}) {
    const tokens = lex(markdown, this.lexer).filter((token) => !isSilent(token));
    let same = 0;
    while (!whole && same < tokens.length && this.blocks[same]?.raw === tokens[same].raw) same++;
    for (const { node } of this.blocks.splice(same)) node.parentNode?.removeChild(node);
    for (const token of tokens.slice(same)) {
      const node = block(token, 0);
      this.root.append(node);
      this.blocks.push({ raw: token.raw, node });
    }
  }
}

/**
 * Where a link may lead, or null.
 * @param {string | undefined} href
 * @returns {string | null}
 */
export function safeHref(href) {
  if (!href || !URL.canParse(href)) return null; // relative ones would lead into this site
  const url = new URL(href);
  return SAFE_SCHEMES.includes(url.protocol) ? url.href : null;
}

/**
 * Replace character references: marked leaves them to the HTML parser that we do not have.
 * @param {string} text
 * @returns {string}
 */
export function decodeEntities(text) {
  return text.replace(ENTITY, (whole, decimal, hexadecimal, name) => {
    if (name) return ENTITIES[name.toLowerCase()];
    const code = decimal ? parseInt(decimal, 10) : parseInt(hexadecimal, 16);
    const isCharacter = code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
    return isCharacter ? String.fromCodePoint(code) : whole;
  });
}

/**
 * @param {string} markdown
 * @param {Lexer} lexer
 * @returns {Token[]}
 */
function lex(markdown, lexer) {
  try {
    return lexer(markdown);
  } catch (error) {
    // A text nested ten thousand deep exhausts the lexer's stack: it is still worth reading.
    console.info("markdown is shown as plain text:", error);
    return [{ type: "verbatim", raw: markdown }];
  }
}

/** @param {Token} token */
function isSilent(token) {
  return token.type === "space" || token.type === "def";
}

/**
 * @param {Token} token
 * @param {number} depth
 * @returns {Node}
 */
function block(token, depth) {
  if (depth > MAX_DEPTH) return paragraph(token.raw);
  switch (token.type) {
    case "heading":
      // The page's own headings are h1 and h2.
      return element(headingTag(token.depth), {}, ...inlines(token.tokens, depth));
    case "paragraph":
      return element("p", {}, ...inlines(token.tokens, depth));
    case "text":
      return element("p", {}, ...(token.tokens ? inlines(token.tokens, depth) : [plain(token)]));
    case "code":
      return codeBlock(token);
    case "blockquote":
      return element("blockquote", {}, ...blocks(token.tokens, depth + 1));
    case "list":
      return list(token, depth);
    case "table":
      return table(token, depth);
    case "hr":
      return element("hr");
    default:
      return paragraph(token.raw); // html, and whatever else marked may learn
  }
}

/**
 * @param {Token[] | undefined} tokens
 * @param {number} depth
 * @returns {Node[]}
 */
function blocks(tokens, depth) {
  return (tokens ?? []).filter((token) => !isSilent(token)).map((token) => block(token, depth));
}

/**
 * @param {Token[] | undefined} tokens
 * @param {number} depth
 * @returns {Node[]}
 */
function inlines(tokens, depth) {
  return (tokens ?? []).map((token) => inline(token, depth + 1));
}

/**
 * @param {Token} token
 * @param {number} depth
 * @returns {Node}
 */
function inline(token, depth) {
  if (depth > MAX_DEPTH) return document.createTextNode(token.raw);
  switch (token.type) {
    case "strong":
    case "em":
    case "del":
      return element(token.type, {}, ...inlines(token.tokens, depth));
    case "codespan":
      return element("code", {}, token.text ?? "");
    case "br":
      return element("br");
    case "link":
      return link(token, depth);
    case "text":
      return token.tokens
        ? element("span", {}, ...inlines(token.tokens, depth))
        : document.createTextNode(plain(token));
    case "escape":
    case "image":
      return document.createTextNode(plain(token));
    case "checkbox":
      return checkbox(token);
    default:
      return document.createTextNode(token.raw); // html: shown, not obeyed
  }
}

/** @param {Token} token */
function plain(token) {
  return decodeEntities(token.text ?? token.raw);
}

/** @param {string} text */
function paragraph(text) {
  return element("p", { className: "verbatim" }, text);
}

/**
 * @param {number | undefined} depth
 * @returns {"h3" | "h4" | "h5" | "h6"}
 */
function headingTag(depth = 1) {
  return /** @type {const} */ (["h3", "h4", "h5", "h6"])[Math.min(depth, 4) - 1];
}

/**
 * @param {Token} token
 * @param {number} depth
 */
function link(token, depth) {
  const href = safeHref(decodeEntities(token.href ?? ""));
  const children = inlines(token.tokens, depth);
  if (!href) return element("span", {}, ...children);
  return element("a", { href, rel: "noopener noreferrer", target: "_blank" }, ...children);
}

/** @param {Token} token */
function codeBlock(token) {
  const text = token.text ?? "";
  const name = (token.lang ?? "").split(/\s/)[0].slice(0, 24);
  const copy = copyButton(() => text, "Copy the code");
  const head = element(
    "div",
    { className: "code-head" },
    element("span", {}, name || "code"),
    copy,
  );
  const body = element("pre", { tabIndex: 0 }, element("code", {}, text));
  return element("div", { className: "code", dir: "ltr" }, head, body);
}

/**
 * A button that copies a text, and says so.
 * @param {() => string} text
 * @param {string} label what it copies, for those who do not see where it stands
 * @returns {HTMLButtonElement}
 */
export function copyButton(text, label) {
  const button = element("button", { type: "button", className: "act", title: label }, "Copy");
  button.addEventListener("click", async () => {
    const copied = await navigator.clipboard.writeText(text()).then(
      () => true,
      () => false, // the browser or its user said no
    );
    button.textContent = copied ? "Copied" : "Not copied";
    say(button.textContent);
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  return button;
}

/**
 * @param {Token} token
 * @param {number} depth
 */
function list(token, depth) {
  const items = (token.items ?? []).map((item) => {
    // A tight list's items hold "text" blocks, which need no paragraph around them.
    const children = (item.tokens ?? []).filter((child) => !isSilent(child));
    const nodes = children.flatMap((child) =>
      child.type === "text" && child.tokens
        ? inlines(child.tokens, depth)
        : child.type === "checkbox"
          ? [checkbox(child)]
          : [block(child, depth + 1)],
    );
    return element("li", {}, ...nodes);
  });
  if (!token.ordered) return element("ul", {}, ...items);
  const node = element("ol", {}, ...items);
  if (Number.isInteger(token.start)) node.start = Number(token.start);
  return node;
}

/** @param {Token} token */
function checkbox(token) {
  const checked = Boolean(token.checked);
  const label = checked ? "done" : "not done";
  return element("input", { type: "checkbox", checked, disabled: true, "aria-label": label });
}

/**
 * @param {Token} token
 * @param {number} depth
 */
function table(token, depth) {
  /** @type {(tag: "th" | "td", cells: Cell[]) => HTMLElement} */
  const row = (tag, cells) =>
    element(
      "tr",
      {},
      ...cells.map((cell, column) => {
        const align = token.align?.[column] ?? "left";
        const className = ALIGNMENTS.includes(align) ? `align-${align}` : "";
        return element(tag, { className }, ...inlines(cell.tokens, depth));
      }),
    );
  const head = element("thead", {}, row("th", token.header ?? []));
  const body = element("tbody", {}, ...(token.rows ?? []).map((cells) => row("td", cells)));
  return element("div", { className: "table", tabIndex: 0 }, element("table", {}, head, body));
}
