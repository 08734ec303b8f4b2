// Renders conversations with the page's chat.js:
// {"tokenizer", "chat", "conversations": [{"messages", "add_generation_prompt"}]} -> {"texts", "ids"}.
// `ids` are those of the conversations that want a reply.
import { readFileSync } from "node:fs";

import { renderChat, renderText } from "../../web/runtime/chat.js";
import { Tokenizer } from "../../web/runtime/tokenizer.js";

const { tokenizer: path, chat, conversations } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const tokenizer = Tokenizer.fromJson(readFileSync(path, "utf8"));
const texts = conversations.map(({ messages, add_generation_prompt: addGenerationPrefix }) =>
  renderText(chat, messages, { addGenerationPrefix }),
);
const ids = conversations
  .filter((conversation) => conversation.add_generation_prompt)
  .map(({ messages }) => renderChat(chat, messages, tokenizer));
process.stdout.write(JSON.stringify({ texts, ids }));
