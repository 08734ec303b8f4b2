/** Tells people who do not see the page what happens on it: replies sentence by sentence. */

import { byId, element } from "./dom.js";
import { Sentences } from "./sentences.js";

const MS_TO_READ = 20_000; // then a sentence is found in the chat alone, not twice

/** Reads one reply aloud, through a live region that nobody sees. */
export class Announcer {
  constructor() {
    this.log = byId("spoken", HTMLDivElement);
    this.sentences = new Sentences();
  }

  /** @param {string} text what is new of the reply */
  push(text) {
    this.speak(this.sentences.push(text));
  }

  finish() {
    this.speak(this.sentences.finish());
  }

  /** @param {string[]} sentences */
  speak(sentences) {
    for (const sentence of sentences) {
      const line = element("p", { dir: "auto" }, sentence);
      this.log.append(line);
      setTimeout(() => line.remove(), MS_TO_READ);
    }
  }
}

/**
 * Say what a click did.
 * @param {string} text
 */
export function say(text) {
  byId("said", HTMLParagraphElement).textContent = text;
}
