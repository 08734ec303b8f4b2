/** Things to ask about a picture: one click asks, or begins a question that wants a word more. */

/** @import { Manifest } from "../webgemma/types.d.ts" */

import { byId, element } from "./dom.js";

const GENERIC = ["caption en", "detect …", "count …"];
const OPEN_END = /\s*(…|\.\.\.)$/;

/** The row of suggestions above the field to write in. */
export class Asks {
  /** @param {{ask: (prompt: string) => void, begin: (prompt: string) => void}} actions */
  constructor(actions) {
    this.actions = actions;
    this.root = byId("asks", HTMLDivElement);
  }

  /** @param {Manifest} manifest */
  open({ generation }) {
    const prompts = generation.prompts ?? GENERIC;
    this.root.replaceChildren(...prompts.map((prompt) => this.button(prompt)));
    this.root.hidden = false;
  }

  close() {
    this.root.hidden = true;
  }

  /**
   * @param {string} prompt
   * @returns {HTMLElement}
   */
  button(prompt) {
    const button = element("button", { type: "button", className: "ask" }, prompt);
    const { ask, begin } = this.actions;
    button.addEventListener("click", () => {
      if (OPEN_END.test(prompt)) begin(prompt.replace(OPEN_END, " "));
      else ask(prompt);
    });
    return button;
  }
}
