/**
 * Prints, for a JSON file of [[path, text, other text], ...], the paths of the modules whose two
 * texts have different syntax trees, with what acorn says of one that it cannot parse.
 */

import { readFileSync } from "node:fs";
import { parsers } from "../../node_modules/prettier/plugins/acorn.mjs";

const PLACES = new Set(["start", "end", "range", "__contentEnd", "extra", "comments"]);

/** The tree of a module as text, without the places of its nodes. */
function tree(text) {
  const ast = parsers.acorn.parse(text, { filepath: "module.mjs" });
  return JSON.stringify(ast, (key, value) => {
    if (typeof value === "bigint") return String(value);
    let node = PLACES.has(key) ? undefined : value;
    while (node?.type === "ParenthesizedExpression") node = node.expression; // kept beside comments
    return node;
  });
}

const different = [];
for (const [path, text, other] of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  try {
    if (tree(text) !== tree(other)) different.push(path);
  } catch (error) {
    different.push(`${path}: ${error.message}`);
  }
}
console.log(JSON.stringify(different));
