/**
 * Prints, for a JSON file of {modules: [text, ...], files: [text, ...]}, how many bodies of modules
 * there are, and which of them no file of a bundle has, and the other way round: what is left of a
 * module without its imports and exports, as a syntax tree.
 */

import { readFileSync } from "node:fs";
import { parse, plain } from "./trees.mjs";

const NAME = /^module\d+$/;

/** A module's own address is the same from anywhere. */
function address(node) {
  const base = node?.property?.name === "href" && node.object.arguments?.[1];
  return base?.object?.type === "MetaProperty" && node.object.arguments[0].value.endsWith(".js")
    ? base
    : node;
}

const text = (statements) => plain(statements, address);

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
  const statements = parse(file).body;
  const wrapped = statements.filter(isWrapper).map(({ declarations: [{ init }] }) => {
    return text(own(init.callee.body.body.slice(0, -1))); // without what it returns
  });
  return [...wrapped, text(own(statements.filter((statement) => !isWrapper(statement))))];
}

const { modules, files } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const written = modules.map((one) => text(own(parse(one).body))).filter((one) => one !== "[]");
const served = files.flatMap(bodies).filter((one) => one !== "[]");
const without = (some, others) => {
  const left = [...others];
  return some.filter((one) => !(left.includes(one) && left.splice(left.indexOf(one), 1)));
};
const first = (one) => one.slice(0, 2000);
console.log(
  JSON.stringify({
    count: written.length,
    missing: without(written, served).map(first),
    unknown: without(served, written).map(first),
  }),
);
