/**
 * A JSON Schema becomes a grammar of its values. The twin of webgemma/structured/schema.py.
 *
 * Every text of the grammar is a value of the schema, with one blank behind a colon or comma and
 * none elsewhere, and properties in the schema's order. What the grammar could not hold a reply to
 * is refused, with its place in the schema.
 */

/** @import { Grammar, Node } from "./grammar.js" */
/** @import { Schema } from "./keywords.js" */
/** @import { Bound } from "./numbers.js" */

import { ConfigError, UnsupportedError } from "../errors.js";
import {
  NOTHING,
  ROOT,
  choice,
  isNothing,
  lexeme,
  optional,
  repeat,
  rule,
  sequence,
  shortestTexts,
  text,
} from "./grammar.js";
import {
  ALL_TYPES,
  ALONE,
  ANNOTATIONS,
  AT_THE_ROOT,
  BOUNDS,
  DEFINITIONS,
  KEYWORDS,
  bound,
  checkList,
  checkRange,
  checkTypes,
  escape,
  isObject,
  isOf,
  quote,
  wrong,
} from "./keywords.js";
import { NUMBER, integerNode, numberNode } from "./numbers.js";
import { PatternError, patternNode } from "./pattern.js";
import { CHARACTER, STRING, otherKey, stringNode } from "./strings.js";

const [OPEN, CLOSE, COMMA, OPEN_ARRAY, CLOSE_ARRAY, TRUE, FALSE, NULL] = [
  ...["{", "}", ", ", "[", "]", "true", "false", "null"].map((written) => lexeme(text(written))),
];
const ANY_KEY = lexeme(sequence(text('"'), repeat(CHARACTER, 0, Infinity), text('": ')));

/**
 * Make a grammar of the values of a schema. What cannot be enforced is refused, and so is what is
 * no schema or has no value.
 * @param {unknown} schema
 * @returns {Grammar}
 */
export function schemaGrammar(schema) {
  const compiler = new Compiler(/** @type {Schema} */ (schema));
  const root = compiler.value(schema, "#");
  if (compiler.refused.length) {
    throw new UnsupportedError(
      `response_format: ${compiler.refused.join(", ")} of the schema cannot be enforced. ` +
        "Leave it out; docs/structured.md lists what is enforced.",
    );
  }
  const rules = new Map([[ROOT, root], ...compiler.rules]);
  compiler.checkReferences(shortestTexts(rules));
  return rules;
}

/** Makes the rules of one schema. */
class Compiler {
  /** @param {Schema} document */
  constructor(document) {
    this.document = document;
    /** @type {Map<string, Node>} */
    this.rules = new Map();
    /** @type {string[]} where keywords stand that cannot be enforced */
    this.refused = [];
    /** @type {Map<string, string>} target of a $ref -> the name of its rule */
    this.references = new Map();
    /** @type {string | null} the target being compiled, while nothing of its value was written */
    this.within = null;
    /** @type {Map<string, Set<string>>} target -> those it refers to with nothing written before */
    this.follows = new Map();
  }

  /**
   * The values of a schema that stands at `path`.
   * @param {any} schema
   * @param {string} path
   * @returns {Node}
   */
  value(schema, path) {
    if (schema === true || (isObject(schema) && !Object.keys(schema).length)) {
      return this.anyValue();
    }
    if (!isObject(schema)) throw wrong(path, schema, "a schema: an object, or true");
    const ignored = path === "#" ? [...ANNOTATIONS, ...AT_THE_ROOT] : ANNOTATIONS;
    const names = Object.keys(schema).filter((name) => !ignored.includes(name));
    const alone = ALONE.find((name) => names.includes(name));
    if (alone === undefined) return this.typed(schema, names, path);
    const known = alone === "const" || alone === "enum" ? [alone, "type"] : [alone];
    this.refuse(
      names.filter((name) => !known.includes(name)),
      path,
    );
    if (alone === "$ref") return this.reference(schema.$ref, path);
    if (alone !== "anyOf") return this.constants(schema, alone, path);
    const schemas = checkList(schema.anyOf, `${path}/anyOf`);
    return choice(schemas.map((one, i) => this.value(one, `${path}/anyOf/${i}`)));
  }

  /**
   * Note keywords that cannot be enforced.
   * @param {string[]} names
   * @param {string} path
   */
  refuse(names, path) {
    this.refused.push(...names.map((name) => `${path}/${escape(name)}`));
  }

  /**
   * The values of `const` or `enum` that are of the type beside it.
   * @param {Schema} schema
   * @param {string} keyword
   * @param {string} path
   * @returns {Node}
   */
  constants(schema, keyword, path) {
    const place = `${path}/${keyword}`;
    const values = keyword === "enum" ? checkList(schema.enum, place) : [schema.const];
    const types = "type" in schema ? checkTypes(schema.type, path) : [];
    const fitting = values.filter((one) => !types.length || types.some((type) => isOf(one, type)));
    if (!fitting.length) throw wrong(place, schema[keyword], `a value of type ${types.join(", ")}`);
    return choice(fitting.map((one) => constant(one, place)));
  }

  /**
   * The values of a schema with a type, or whose keywords tell it.
   * @param {Schema} schema
   * @param {string[]} names
   * @param {string} path
   * @returns {Node}
   */
  typed(schema, names, path) {
    const told = ALL_TYPES.filter((type) => names.some((name) => KEYWORDS[type].includes(name)));
    const types = "type" in schema ? checkTypes(schema.type, path) : told.length ? told : ALL_TYPES;
    const known = ["type", ...types.flatMap((type) => KEYWORDS[type])];
    this.refuse(
      names.filter((name) => !known.includes(name)),
      path,
    );
    return choice(types.map((type) => this.ofType(type, schema, path)));
  }

  /**
   * @param {string} type
   * @param {Schema} schema
   * @param {string} path
   * @returns {Node}
   */
  ofType(type, schema, path) {
    switch (type) {
      case "object":
        return this.object(schema, path);
      case "array":
        return this.array(schema, path);
      case "string":
        return this.string(schema, path);
      case "number":
        return bounded(schema, path, numberNode, "a number");
      case "integer":
        return bounded(schema, path, integerNode, "an integer");
      case "boolean":
        return choice([TRUE, FALSE]);
      default:
        return NULL;
    }
  }

  /**
   * The values of the schema that a $ref names.
   * @param {any} target
   * @param {string} path
   * @returns {Node}
   */
  reference(target, path) {
    const place = `${path}/$ref`;
    const folder = DEFINITIONS.find((start) => String(target).startsWith(start));
    const part = folder ? target.slice(folder.length) : "";
    if (target !== "#" && (!folder || part.includes("/"))) {
      throw wrong(place, target, '"#", "#/$defs/NAME" or "#/definitions/NAME"');
    }
    let schema = this.document;
    if (folder) {
      const definitions = this.document[folder.slice(2, -1)];
      const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
      if (!isObject(definitions) || !Object.hasOwn(definitions, name)) {
        throw wrong(place, target, "a definition of the schema");
      }
      schema = definitions[name];
    }
    if (this.within !== null) this.follows.get(this.within)?.add(target);
    const known = this.references.get(target);
    if (known !== undefined) return rule(known);
    const name = `ref_${this.references.size}`;
    this.references.set(target, name);
    this.follows.set(target, new Set());
    const outer = this.within;
    this.within = target;
    this.rules.set(name, this.value(schema, target));
    this.within = outer;
    return rule(name);
  }

  /**
   * Refuse references that lead to themselves with nothing between, or whose values have no end.
   * @param {Map<string, string>} shortest
   */
  checkReferences(shortest) {
    for (const [target, name] of this.references) {
      /** @type {Set<string>} */
      const reached = new Set();
      const ahead = [...(this.follows.get(target) ?? [])];
      for (let near = ahead.pop(); near !== undefined; near = ahead.pop()) {
        if (reached.has(near)) continue;
        reached.add(near);
        ahead.push(...(this.follows.get(near) ?? []));
      }
      if (!reached.has(target) && shortest.has(name)) continue;
      throw new ConfigError(
        `response_format: $ref ${target} of the schema refers to itself without end. ` +
          "Give it an alternative that ends, such as null or an empty array.",
      );
    }
  }

  /**
   * The values of a schema, behind something that is written before.
   * @param {any} schema
   * @param {string} path
   * @returns {Node}
   */
  apart(schema, path) {
    const outer = this.within;
    this.within = null;
    const node = this.value(schema, path);
    this.within = outer;
    return node;
  }

  /**
   * Any value at all.
   * @returns {Node}
   */
  anyValue() {
    if (!this.rules.has("value")) {
      const [value, member] = [rule("value"), rule("member")];
      const types = [rule("object"), rule("array"), STRING, NUMBER, TRUE, FALSE, NULL];
      this.rules.set("value", choice(types));
      this.rules.set("object", sequence(OPEN, listed(member, 0, Infinity), CLOSE));
      this.rules.set("array", sequence(OPEN_ARRAY, listed(value, 0, Infinity), CLOSE_ARRAY));
      this.rules.set("member", sequence(ANY_KEY, value));
    }
    return rule("value");
  }

  /**
   * Objects: the properties in their order, then others if they are wanted.
   * @param {Schema} schema
   * @param {string} path
   * @returns {Node}
   */
  object(schema, path) {
    if (!KEYWORDS.object.some((name) => name in schema)) {
      this.anyValue();
      return rule("object");
    }
    const { properties = {}, required = [] } = schema;
    if (!isObject(properties)) {
      throw wrong(`${path}/properties`, properties, "an object: name -> schema");
    }
    /** @param {unknown} name */
    const isName = (name) => typeof name === "string";
    if (!Array.isArray(required) || !required.every(isName)) {
      throw wrong(`${path}/required`, required, "a list of names");
    }
    const unknown = required.filter((name) => !Object.hasOwn(properties, name));
    this.refused.push(...unknown.map((name) => `${path}/required (${name})`));
    const others = this.otherMembers(schema, Object.keys(properties), path);
    /** @type {Node} */
    let after = others ? repeat(sequence(COMMA, others), 0, Infinity) : NOTHING;
    /** @type {Node} */
    let first = others ? optional(sequence(others, after)) : NOTHING;
    for (const [name, value] of Object.entries(properties).reverse()) {
      const node = this.apart(value, `${path}/properties/${escape(name)}`);
      const key = lexeme(text(`${quote(name, path)}: `));
      const member = this.rule("property", sequence(key, node));
      const rest = this.rule("rest", after);
      const written = sequence(member, rest);
      if (required.includes(name)) {
        first = written;
        after = sequence(COMMA, written);
      } else {
        first = isNothing(first) ? optional(written) : choice([written, first]);
        after = sequence(optional(sequence(COMMA, member)), rest);
      }
    }
    return sequence(OPEN, first, CLOSE);
  }

  /**
   * Members beside those of `properties`: none where nothing is said about them.
   * @param {Schema} schema
   * @param {string[]} names
   * @param {string} path
   * @returns {Node | null}
   */
  otherMembers(schema, names, path) {
    const { additionalProperties: others = !("properties" in schema) } = schema;
    if (others === false) return null;
    const node = this.apart(others, `${path}/additionalProperties`);
    return this.rule("other", sequence(names.length ? otherKey(names) : ANY_KEY, node));
  }

  /**
   * A node, or a rule of its own for it, so that it can stand in several places.
   * @param {string} kind
   * @param {Node} node
   * @returns {Node}
   */
  rule(kind, node) {
    if (isNothing(node) || node.kind === "rule") return node;
    const number = [...this.rules.keys()].filter((name) => name.startsWith(kind)).length;
    this.rules.set(`${kind}_${number}`, node);
    return rule(`${kind}_${number}`);
  }

  /**
   * Arrays of a length.
   * @param {Schema} schema
   * @param {string} path
   * @returns {Node}
   */
  array(schema, path) {
    const [least, most] = checkRange(schema, "Items", path);
    const { items = true } = schema;
    const item = this.rule("item", this.apart(items, `${path}/items`));
    return sequence(OPEN_ARRAY, listed(item, least, most), CLOSE_ARRAY);
  }

  /**
   * Strings of a length, or with a pattern.
   * @param {Schema} schema
   * @param {string} path
   * @returns {Node}
   */
  string(schema, path) {
    const { pattern } = schema;
    if (pattern === undefined) {
      return stringNode(repeat(CHARACTER, ...checkRange(schema, "Length", path)));
    }
    for (const name of ["minLength", "maxLength"]) {
      if (name in schema) this.refused.push(`${path}/${name} (beside pattern)`);
    }
    if (typeof pattern !== "string")
      throw wrong(`${path}/pattern`, pattern, "a regular expression");
    try {
      return patternNode(pattern);
    } catch (error) {
      if (!(error instanceof PatternError)) throw error;
      this.refused.push(`${path}/pattern (${error.message} in ${pattern})`);
      return STRING;
    }
  }
}

/**
 * Items with commas between them.
 * @param {Node} item
 * @param {number} least
 * @param {number} most
 * @returns {Node}
 */
function listed(item, least, most) {
  if (most === 0) return NOTHING;
  const more = repeat(sequence(COMMA, item), Math.max(least - 1, 0), most - 1);
  const items = most === 1 ? item : sequence(item, more);
  return least === 0 ? optional(items) : items;
}

/**
 * @param {Schema} schema
 * @param {string} path
 * @param {(least: Bound | null, most: Bound | null) => Node | null} make
 * @param {string} kind
 * @returns {Node}
 */
function bounded(schema, path, make, kind) {
  const low = bound(schema, "inimum", path, Math.max);
  const high = bound(schema, "aximum", path, Math.min);
  const node = make(low, high);
  if (node) return node;
  const names = BOUNDS.filter((name) => name in schema);
  const given = Object.fromEntries(names.map((name) => [name, schema[name]]));
  throw wrong(path, given, `${kind} of at most 15 digits between the bounds`);
}

/**
 * One value, written as JSON.
 * @param {any} value
 * @param {string} path
 * @returns {Node}
 */
function constant(value, path) {
  if (Array.isArray(value)) {
    const items = value.map((item) => constant(item, path));
    return sequence(OPEN_ARRAY, ...betweenCommas(items), CLOSE_ARRAY);
  }
  if (isObject(value)) {
    const members = Object.entries(value).map(([name, item]) =>
      sequence(lexeme(text(`${quote(name, path)}: `)), constant(item, path)),
    );
    return sequence(OPEN, ...betweenCommas(members), CLOSE);
  }
  return lexeme(text(typeof value === "string" ? quote(value, path) : JSON.stringify(value)));
}

/**
 * @param {Node[]} items
 * @returns {Node[]}
 */
function betweenCommas(items) {
  return items.flatMap((item) => [COMMA, item]).slice(1);
}
