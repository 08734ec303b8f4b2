/** The page in a small frame (?layout=compact), as widget.js puts it into other pages. */

const STYLE = new URL("./compact.css", import.meta.url).href;
const CLOSE = "webgemma: close"; // widget.js waits for it

if (new URLSearchParams(location.search).get("layout") === "compact") {
  document.documentElement.classList.add("compact");
  document.head.append(
    Object.assign(document.createElement("link"), { rel: "stylesheet", href: STYLE }),
  );
  // Escape belongs to what is open in the page first: a panel, a reply that is being written.
  addEventListener("keydown", (event) => {
    const isTaken =
      event.defaultPrevented ||
      document.querySelector(":popover-open, dialog[open], [aria-busy=true]");
    if (event.key === "Escape" && !isTaken) parent.postMessage(CLOSE, "*"); // says nothing else
  });
}
