/*! webgemma, Apache-2.0 */

/**
 * Puts this site's chat into any page, behind a button in its corner:
 *
 *     <script src="https://example.org/chat/widget.js" data-model="pebble" defer></script>
 *
 * A classic script: one of another origin needs no leave of its host (CORS), as a module would.
 *
 * The chat is the site's own page in a frame: its policy, its storage and its styles are those of
 * the site, whatever page it stands in, and neither can read the other. The button and the panel
 * live in a shadow tree, so that styles stay apart too. Nothing of the chat is loaded before somebody
 * opens it.
 */

(() => {
  "use strict";

  const script = /** @type {HTMLScriptElement} */ (document.currentScript);

  /**
   * @typedef {object} WidgetOptions each of them also a data attribute of the script tag
   * @property {string} [model] id of the model to open; the site's first where it is left out
   * @property {string} [title] what the button and the panel are called
   * @property {string} [position] "right" or "left"
   */

  const SVG = "http://www.w3.org/2000/svg";
  const BUBBLE = "M4 5.5h16v11h-9l-4.5 3.5v-3.5H4z";
  const CROSS = "M6 6l12 12M18 6L6 18";
  // Of a foreign site, all that its chat needs: it cannot send the page around it elsewhere.
  const SANDBOX =
    "allow-scripts allow-same-origin allow-forms allow-downloads allow-popups allow-popups-to-escape-sandbox";
  const CLOSE = "webgemma: close"; // what the framed page says on Escape (app/compact.js)
  const STYLE = `
  :host { all: initial; }
  * { box-sizing: border-box; }
  .corner {
    --paper: #ffffff; --ink: #1d1c1a; --line: #e2dfd7; --accent: #2f6b56; --on-accent: #ffffff;
    position: fixed; z-index: 2147483000; bottom: 1rem; right: 1rem;
    color-scheme: light dark; color: var(--ink); font: 16px/1.5 system-ui, sans-serif;
  }
  .corner.left { right: auto; left: 1rem; }
  button {
    display: grid; place-items: center; border: 0; border-radius: 50%; cursor: pointer;
    color: inherit; background: none;
  }
  button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
  svg { width: 1.5rem; height: 1.5rem; fill: none; stroke: currentColor; stroke-width: 2;
    stroke-linecap: round; stroke-linejoin: round; }
  .launch {
    width: 3.5rem; height: 3.5rem; color: var(--on-accent); background: var(--accent);
    box-shadow: 0 2px 12px rgb(0 0 0 / 25%);
  }
  .panel {
    position: fixed; bottom: 5.5rem; right: 1rem; display: flex; flex-direction: column;
    width: 24rem; height: min(40rem, calc(100dvh - 7rem)); overflow: hidden;
    border: 1px solid var(--line); border-radius: 1rem; background: var(--paper);
    box-shadow: 0 8px 40px rgb(0 0 0 / 25%);
  }
  .left .panel { right: auto; left: 1rem; }
  .panel[hidden] { display: none; }
  .head {
    display: flex; align-items: center; justify-content: space-between;
    padding: 0.25rem 0.375rem 0.25rem 1rem; border-bottom: 1px solid var(--line); font-weight: 600;
  }
  .head button { width: 2.5rem; height: 2.5rem; }
  .head svg { width: 1.125rem; height: 1.125rem; }
  iframe { flex: 1; width: 100%; border: 0; }
  @media (prefers-color-scheme: dark) {
    .corner { --paper: #161615; --ink: #ebe8e1; --line: #33312d; --accent: #8ac7ae; --on-accent: #10231b; }
  }
  @media (max-width: 30rem) {
    .panel, .left .panel { inset: 0; width: auto; height: auto; border: 0; border-radius: 0; }
  }
  @media (forced-colors: active) { .launch { border: 1px solid; } }
`;

  /** A button that opens the chat in a panel. */
  class ChatWidget {
    /** @param {WidgetOptions} [options] */
    constructor({ model, title = "Chat", position = "right" } = {}) {
      this.address = new URL("./index.html?layout=compact", script.src);
      if (model) this.address.searchParams.set("model", model);
      this.title = title;
      /** @type {HTMLIFrameElement | null} made when it is first opened */
      this.frame = null;
      this.launch = button("launch", title, BUBBLE, () => this.toggle());
      this.panel = this.makePanel();
      const corner = make("div", position === "left" ? "corner left" : "corner");
      corner.append(this.panel, this.launch);
      this.host = document.createElement("div");
      const root = this.host.attachShadow({ mode: "open" });
      const sheet = new CSSStyleSheet(); // a policy of the page that forbids inline styles allows it
      sheet.replaceSync(STYLE);
      root.adoptedStyleSheets = [sheet];
      root.append(corner);
      document.body.append(this.host);
      this.onMessage = this.onMessage.bind(this);
      addEventListener("message", this.onMessage);
      this.show(false);
    }

    makePanel() {
      const panel = make("section", "panel");
      panel.id = "panel";
      panel.setAttribute("role", "dialog");
      panel.setAttribute("aria-label", this.title);
      const head = make("div", "head");
      const title = make("span", "title");
      title.textContent = this.title;
      head.append(
        title,
        button("close", "Close", CROSS, () => this.close()),
      );
      panel.append(head);
      panel.addEventListener("keydown", ({ key }) => key === "Escape" && this.close());
      this.launch.setAttribute("aria-controls", panel.id);
      return panel;
    }

    /** Show the chat, and load it the first time. */
    open() {
      if (!this.frame) {
        this.frame = document.createElement("iframe");
        this.frame.title = this.title;
        this.frame.allow = "clipboard-write";
        this.frame.referrerPolicy = "no-referrer";
        const isForeign = this.address.origin !== location.origin;
        if (isForeign) this.frame.setAttribute("sandbox", SANDBOX);
        this.frame.src = this.address.href;
        this.panel.append(this.frame);
      }
      this.show(true);
      this.frame.focus();
    }

    /** Put the chat away; what is being written goes on. */
    close() {
      this.show(false);
      this.launch.focus();
    }

    toggle() {
      if (this.panel.hidden) this.open();
      else this.close();
    }

    /** Take it out of the page, with the model. */
    remove() {
      removeEventListener("message", this.onMessage);
      this.host.remove();
    }

    /** @param {boolean} isOpen */
    show(isOpen) {
      this.panel.hidden = !isOpen;
      this.launch.setAttribute("aria-expanded", String(isOpen));
    }

    /** @param {MessageEvent} event */
    onMessage({ data, source }) {
      if (this.frame && source === this.frame.contentWindow && data === CLOSE) this.close();
    }
  }

  /**
   * @template {keyof HTMLElementTagNameMap} Tag
   * @param {Tag} tag
   * @param {string} className
   * @returns {HTMLElementTagNameMap[Tag]}
   */
  function make(tag, className) {
    return Object.assign(document.createElement(tag), { className });
  }

  /**
   * @param {string} className
   * @param {string} label
   * @param {string} path of its drawing, 24 by 24
   * @param {() => void} run
   * @returns {HTMLButtonElement}
   */
  function button(className, label, path, run) {
    const made = make("button", className);
    made.type = "button";
    made.title = label;
    made.setAttribute("aria-label", label);
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    const line = document.createElementNS(SVG, "path");
    line.setAttribute("d", path);
    svg.append(line);
    made.append(svg);
    made.addEventListener("click", run);
    return made;
  }

  if (document.body) new ChatWidget(script.dataset);
  else addEventListener("DOMContentLoaded", () => new ChatWidget(script.dataset));
})();
