/**
 * Replies of a model that says anything at all, held to schemas by xgrammar as in the page.
 *
 *     node tests/support/structured.mjs ARGUMENT.json
 *
 * ARGUMENT: {tokenizer, stops, schemas, limit}. Prints, of every schema, the texts of three replies: with the
 * least room, with ten tokens more, and with `limit`.
 */
import { readFileSync } from "node:fs";

// xgrammar.js looks for itself by what a page has.
globalThis.location = { href: new URL("../../web/runtime/index.js", import.meta.url).href };
const { Constrainer } = await import("../../web/runtime/structured/xgrammar.js");
const { Tokenizer } = await import("../../web/runtime/tokenizer.js");

const argument = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { tokenizer: document, stops: STOPS, schemas, limit } = argument;
const tokenizer = Tokenizer.fromJson(document);
const vocabSize = tokenizer.vocabSize + 6; // the logits may be more than the tokens
const constrainer = new Constrainer(tokenizer, STOPS, vocabSize);

let state = 1;
/** @type {(below: number) => number} */
const random = (below) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
};

/** The least room that a reply can be begun in. */
async function leastRoom(schema) {
  try {
    (await constrainer.constraint(schema, 1)).destroy();
    return 1;
  } catch (error) {
    return Number(/takes (\d+) tokens/.exec(error.message)[1]);
  }
}

/** Tokens at random, up to a stop token. */
async function reply(schema, room) {
  const constraint = await constrainer.constraint(schema, room);
  const tokens = [];
  for (;;) {
    const mask = await constraint.mask();
    const possible = [];
    for (let token = 0; token < vocabSize; token++) {
      if ((mask[token >>> 5] >>> (token & 31)) & 1) possible.push(token);
    }
    if (!possible.length) throw new Error(`no token may follow ${tokenizer.decode(tokens)}`);
    let token = null;
    for (let tries = 0; token === null && tries < 8; tries++) {
      token = constraint.take(possible[random(possible.length)]);
    }
    token ??= constraint.takeShortest();
    if (STOPS.includes(token)) break;
    tokens.push(token);
    if (tokens.length >= room) throw new Error(`${tokens.length} tokens, got room for ${room}`);
  }
  constraint.destroy();
  return tokenizer.decode(tokens);
}

const texts = [];
for (const schema of schemas) {
  const least = await leastRoom(schema);
  texts.push([await reply(schema, least), await reply(schema, least + 10), await reply(schema, limit)]);
}
console.log(JSON.stringify(texts));
