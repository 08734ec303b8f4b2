/**
 * The integer expressions of program.json, parsed and never evaluated as code.
 *
 *     sum      product (("+" | "-") product)*
 *     product  value (("*" | "//" | "%") value)*
 *     value    number | name | "(" sum ")" | ("ceil_div" | "max" | "min") "(" sum "," sum ")"
 *
 * The twin of webgemma/program/expr.py; both pass tests/cases/expr.json.
 */

import { ProgramError } from "./errors.js";

/** @typedef {Record<string, number>} Symbols */
/** @typedef {(symbols: Symbols) => number} Evaluate */

const MAX_DEPTH = 32; // nested parentheses: bounds the recursion
const TOKEN = /(\d+)|([A-Za-z_]\w*)|\/\/|[^]/gu;
const FUNCTIONS = ["ceil_div", "max", "min"];
const VALUE = "a number, a name or '('";

/**
 * Parse an expression into a function of the symbols; an integer stands for itself.
 * @param {unknown} expression
 * @returns {Evaluate}
 */
export function parse(expression) {
  if (typeof expression === "string") return new Parser(expression).parse();
  if (!Number.isInteger(expression)) {
    throw new ProgramError(`expression ${expression}: expected an integer or a string.`);
  }
  const value = checked(Number(expression), String(expression));
  return () => value;
}

/**
 * The value of an expression.
 * @param {unknown} expression
 * @param {Symbols} symbols
 * @returns {number}
 */
export function evaluate(expression, symbols) {
  return parse(expression)(symbols);
}

/**
 * Cut an expression into tokens, the last one empty; `at` counts characters from 1.
 * @param {string} text
 * @returns {{text: string, at: number, kind: "number" | "name" | "other"}[]}
 */
function tokenize(text) {
  /** @type {ReturnType<typeof tokenize>} */
  const tokens = [];
  for (const match of text.matchAll(TOKEN)) {
    if (match[0] === " ") continue;
    const kind = match[1] ? "number" : match[2] ? "name" : "other";
    tokens.push({ text: match[0], at: match.index + 1, kind });
  }
  tokens.push({ text: "", at: text.length + 1, kind: "other" });
  return tokens;
}

/** Recursive descent over the tokens of one expression. */
class Parser {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
    this.tokens = tokenize(text);
    this.next = 0;
    this.depth = 0;
  }

  /** @returns {Evaluate} */
  parse() {
    const value = this.sum();
    this.expect("", "an operator or the end");
    return value;
  }

  /** @returns {Evaluate} */
  sum() {
    return this.chain(["+", "-"], () => this.product());
  }

  /** @returns {Evaluate} */
  product() {
    return this.chain(["*", "//", "%"], () => this.value());
  }

  /**
   * Operands joined by operators of one precedence, from left to right.
   * @param {string[]} operators
   * @param {() => Evaluate} operand
   * @returns {Evaluate}
   */
  chain(operators, operand) {
    let left = operand();
    while (operators.includes(this.tokens[this.next].text)) {
      const operator = this.tokens[this.next++].text;
      left = apply(this.text, operator, left, operand());
    }
    return left;
  }

  /** @returns {Evaluate} */
  value() {
    const token = this.tokens[this.next++];
    if (token.text === "(") return this.nested(")");
    if (token.kind === "number") {
      const number = checked(Number(token.text), `'${this.text}'`);
      return () => number;
    }
    if (token.kind !== "name") throw this.unexpected(token, VALUE);
    if (this.tokens[this.next].text === "(") return this.call(token.text);
    return lookup(this.text, token.text);
  }

  /**
   * A function call, its name already read.
   * @param {string} name
   * @returns {Evaluate}
   */
  call(name) {
    if (!FUNCTIONS.includes(name)) {
      const have = FUNCTIONS.join(", ");
      throw new ProgramError(
        `expression '${this.text}': unknown function '${name}' (have ${have}).`,
      );
    }
    this.next++;
    const first = this.nested(",");
    return apply(this.text, name, first, this.nested(")"));
  }

  /**
   * A sum one level deeper, up to and with `closing`.
   * @param {string} closing
   * @returns {Evaluate}
   */
  nested(closing) {
    if (++this.depth > MAX_DEPTH) {
      throw new ProgramError(`expression '${this.text}': nested deeper than ${MAX_DEPTH}.`);
    }
    const value = this.sum();
    this.expect(closing, `an operator or '${closing}'`);
    this.depth--;
    return value;
  }

  /**
   * @param {string} text
   * @param {string} expected
   */
  expect(text, expected) {
    const token = this.tokens[this.next++];
    if (token.text !== text) throw this.unexpected(token, expected);
  }

  /**
   * @param {{text: string, at: number}} token
   * @param {string} expected
   */
  unexpected(token, expected) {
    const got = token.text ? `'${token.text}'` : "the end";
    const where = `got ${got} at character ${token.at}`;
    return new ProgramError(`expression '${this.text}': ${where}, expected ${expected}.`);
  }
}

/**
 * @param {string} text
 * @param {string} name
 * @returns {Evaluate}
 */
function lookup(text, name) {
  return (symbols) => {
    if (Object.hasOwn(symbols, name)) return symbols[name];
    const have = Object.keys(symbols).sort().join(", ") || "none";
    throw new ProgramError(`expression '${text}': unknown symbol '${name}' (have ${have}).`);
  };
}

/**
 * @param {string} text
 * @param {string} operator
 * @param {Evaluate} left
 * @param {Evaluate} right
 * @returns {Evaluate}
 */
function apply(text, operator, left, right) {
  return (symbols) => {
    const [a, b] = [left(symbols), right(symbols)];
    if (["//", "%", "ceil_div"].includes(operator) && (a < 0 || b <= 0)) {
      const got = `'${operator}' got ${a} and ${b}`;
      throw new ProgramError(`expression '${text}': ${got}, expected a number >= 0 and one > 0.`);
    }
    return checked(compute(operator, a, b), `'${text}'`);
  };
}

/**
 * @param {string} operator
 * @param {number} a
 * @param {number} b
 * @returns {number}
 */
function compute(operator, a, b) {
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "//":
      return (a - (a % b)) / b; // exact, where Math.floor(a / b) may round up
    case "%":
      return a % b;
    case "ceil_div":
      return (a - (a % b)) / b + (a % b > 0 ? 1 : 0);
    case "max":
      return Math.max(a, b);
    default:
      return Math.min(a, b);
  }
}

/**
 * The value, if a JavaScript number holds it exactly.
 * @param {number} value
 * @param {string} shown
 * @returns {number}
 */
function checked(value, shown) {
  if (Number.isSafeInteger(value)) return value;
  throw new ProgramError(`expression ${shown}: a value is beyond 2^53 - 1.`);
}
