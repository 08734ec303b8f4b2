// Times the page's tokenizer in milliseconds of processor time, which other programs do not stretch:
// {"tokenizer": path, "texts"} -> {"load_ms", "encode_ms", "ids"}.
import { readFileSync } from "node:fs";

import { Tokenizer } from "../../web/runtime/tokenizer.js";

const { tokenizer: path, texts } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const json = readFileSync(path, "utf8");

function time(action) {
  const start = process.cpuUsage();
  const result = action();
  const { user, system } = process.cpuUsage(start);
  return [result, Math.round((user + system) / 1000)];
}

const [tokenizer, load_ms] = time(() => Tokenizer.fromJson(json));
const encoded = texts.map((text) => time(() => tokenizer.encode(text)));
process.stdout.write(
  JSON.stringify({
    load_ms,
    encode_ms: encoded.map(([, ms]) => ms),
    ids: encoded.map(([ids]) => ids),
  }),
);
