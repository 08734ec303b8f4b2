// Reads answers with the page's tokenizer: {"tokenizer", "texts", "answers"} ->
// {"ids" of the texts, "decoded" answers, "streamed": the same, id by id, "boxes" in them}.
import { readFileSync } from "node:fs";

import { parseBoxes } from "../../web/runtime/image/boxes.js";
import { StreamDecoder, Tokenizer } from "../../web/runtime/tokenizer.js";

const { tokenizer: path, texts, answers } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const tokenizer = Tokenizer.fromJson(readFileSync(path, "utf8"));
const decoded = answers.map((ids) => tokenizer.decode(ids));
const streamed = answers.map((ids) => {
  const stream = new StreamDecoder(tokenizer);
  return ids.map((id) => stream.push(id)).join("") + stream.finish();
});
process.stdout.write(
  JSON.stringify({
    ids: texts.map((text) => tokenizer.encode(text)),
    decoded,
    streamed,
    boxes: decoded.map(parseBoxes),
  }),
);
