/**
 * Prints, for a JSON file of {modules: [text, ...], files: [text, ...]}, how many bodies of modules
 * there are, and which of them no file of a bundle has, and the other way round: what is left of a
 * module without its imports and exports, as a syntax tree.
 */

import { readFileSync } from "node:fs";
import { parsers } from "../../node_modules/prettier/plugins/acorn.mjs";

const PLACES = new Set(["start", "end", "range", "__contentEnd", "extra", "comments"]);
const NAME = /^module\d+$/;

const parse = (text) => parsers.acorn.parse(text, { filepath: "module.mjs" }).body;

/** Statements as text, without their places; a module's own address is the same from anywhere. */
function plain(statements) {
  const text = JSON.stringify(statements, (key, value) => {
    if (typeof value === "bigint") return String(value);
    let node = PLACES.has(key) ? undefined : value;
    while (node?.type === "ParenthesizedExpression") node = node.expression;
    const base = node?.property?.name === "href" && node.object.arguments?.[1];
    return base?.object?.type === "MetaProperty" && node.object.arguments[0].value.endsWith(".js")
      ? base
      : node;
  });
  return text;
}

const isOfModule = ({ declarations }) => NAME.test(declarations?.[0].init?.name);
const isWrapper = ({ declarations }) => NAME.test(declarations?.[0].id?.name);

/** What a module says beside its imports and exports. */
function own(statements) {
  return statements.flatMap((statement) => {
    if (statement.type === "ImportDeclaration" || isOfModule(statement)) return [];
    if (statement.type !== "ExportNamedDeclaration") return [statement];
    return statement.declaration ? [statement.declaration] : [];
  });
}

function bodies(file) {
  const statements = parse(file);
  const wrapped = statements.filter(isWrapper).map(({ declarations: [{ init }] }) => {
    return plain(own(init.callee.body.body.slice(0, -1))); // without what it returns
  });
  return [...wrapped, plain(own(statements.filter((statement) => !isWrapper(statement))))];
}

const { modules, files } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const written = modules.map((text) => plain(own(parse(text)))).filter((text) => text !== "[]");
const served = files.flatMap(bodies).filter((text) => text !== "[]");
const without = (some, others) => {
  const left = [...others];
  return some.filter((text) => !(left.includes(text) && left.splice(left.indexOf(text), 1)));
};
const first = (text) => text.slice(0, 2000);
console.log(
  JSON.stringify({
    count: written.length,
    missing: without(written, served).map(first),
    unknown: without(served, written).map(first),
  }),
);
