/** Conversations that outgrow the context. The twin of webgemma/runtime/context.py. */

/** @import { Message } from "./types.d.ts" */

const RESERVED = 4; // the reply may count on a quarter of the context, and cuts are so far apart

/**
 * The newest turns of a chat that leave the reply room: max_tokens, at most a quarter of the context.
 *
 * The oldest go first; the system message and the last message stay. As the chat grows, the cut
 * does not move with every turn but by a quarter of the context at a time: in between, chats
 * begin alike, and the caches serve.
 * @param {Message[]} messages
 * @param {number} contextWindowSize
 * @param {number | null} maxTokens
 * @param {(messages: Message[]) => number} countTokens of a chat
 * @returns {Message[]}
 */
export function dropOldest(messages, contextWindowSize, maxTokens, countTokens) {
  const stride = Math.ceil(contextWindowSize / RESERVED);
  const most = contextWindowSize - Math.min(maxTokens ?? stride, stride);
  const numSystem = messages[0].role === "system" ? 1 : 0;
  const all = countTokens(messages);
  if (all <= most) return messages;
  let goal = stride; // tokens to drop, at least
  let kept = messages;
  for (let start = numSystem + 2; start < messages.length; start += 2) {
    kept = [...messages.slice(0, numSystem), ...messages.slice(start)];
    const left = countTokens(kept);
    if (all - left < goal) continue;
    if (left <= most) break;
    goal = stride * Math.ceil((all - left + 1) / stride);
  }
  return kept;
}
