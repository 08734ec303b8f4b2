// Encodes texts with the page's tokenizer: {"tokenizer": path, "texts"} -> {"ids", "undecoded"}.
// `undecoded` lists the texts, by index, that do not decode to themselves.
import { readFileSync } from "node:fs";

import { Tokenizer } from "../../web/runtime/tokenizer.js";

const { tokenizer: path, texts } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const tokenizer = Tokenizer.fromJson(readFileSync(path, "utf8"));
const ids = texts.map((text) => tokenizer.encode(text));
const undecoded = texts.flatMap((text, i) => (tokenizer.decode(ids[i]) === text ? [] : [i]));
process.stdout.write(JSON.stringify({ ids, undecoded }));
