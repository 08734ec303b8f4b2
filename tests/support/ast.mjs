/**
 * Prints, for a JSON file of [[path, text, other text], ...], the paths of the modules whose two
 * texts have different syntax trees, with what acorn says of one that it cannot parse.
 */

import { readFileSync } from "node:fs";
import { parse, plain } from "./trees.mjs";

/** The tree of a module as text, without the places of its nodes. */
const tree = (text) => plain(parse(text));

const different = [];
for (const [path, text, other] of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  try {
    if (tree(text) !== tree(other)) different.push(path);
  } catch (error) {
    different.push(`${path}: ${error.message}`);
  }
}
console.log(JSON.stringify(different));
