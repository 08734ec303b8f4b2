/** Syntax trees of modules, as texts that can be compared. */

import { parsers } from "../../node_modules/prettier/plugins/acorn.mjs";

const PLACES = new Set(["start", "end", "range", "__contentEnd", "extra", "comments"]);

/** The program of a module. */
export const parse = (text) => parsers.acorn.parse(text, { filepath: "module.mjs" });

/** Nodes without their places; `change` may put another node in one's place. */
export function plain(nodes, change = (node) => node) {
  return JSON.stringify(nodes, (key, value) => {
    if (typeof value === "bigint") return String(value);
    let node = PLACES.has(key) ? undefined : value;
    while (node?.type === "ParenthesizedExpression") node = node.expression; // kept beside comments
    return change(node);
  });
}
