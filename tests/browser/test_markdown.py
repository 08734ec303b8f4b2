"""Hostile and ordinary markdown, through the page's own renderer under the page's own policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from webgemma.serve import serving

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PAYLOADS = [
    "<script>window.pwned = 1</script>",
    "<img src=x onerror='window.pwned = 1'>",
    "<svg onload=window.pwned=1>",
    "<svg><script>window.pwned=1</script></svg>",
    "<iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
    "<iframe src=javascript:parent.pwned=1></iframe>",
    "<a href='javascript:window.pwned=1'>click</a>",
    "[click](javascript:window.pwned=1)",
    "[click](JaVaScRiPt:window.pwned=1)",
    "[click](java\nscript:window.pwned=1)",
    "[click](&#106;avascript:window.pwned=1)",
    "[click](&#x6A;avascript&colon;window.pwned=1)",
    "[click](javascript&#58;window.pwned=1)",
    "[click](<javascript:window.pwned=1>)",
    "[click](\u0001javascript:window.pwned=1)",
    "[click](data:text/html,<script>window.pwned=1</script>)",
    "[click](vbscript:msgbox(1))",
    "[click](file:///etc/passwd)",
    "[click](blob:http://localhost/x)",
    "[click](//example.org/)",
    "[click](./models/index.json)",
    "[ref]\n\n[ref]: javascript:window.pwned=1",
    "![image](https://example.org/track.png)",
    "![image](x' onerror='window.pwned=1)",
    "![i](data:image/svg+xml;base64,PHN2Zy8+)",
    "<javascript:window.pwned=1>",
    "`<img src=x onerror=window.pwned=1>`",
    "```html\n<script>window.pwned=1</script>\n```",
    "```<script>window.pwned=1</script>\nx\n```",
    '```"onmouseover="window.pwned=1\nx\n```',
    "<style>body{background:url(https://example.org/x)}</style>",
    "<link rel=stylesheet href=https://example.org/x.css>",
    "<meta http-equiv=refresh content='0;url=https://example.org/'>",
    "<base href=https://example.org/>",
    "<form action=https://example.org/><input name=q autofocus onfocus=window.pwned=1></form>",
    "<object data=https://example.org/x></object><embed src=https://example.org/y>",
    "<details open ontoggle=window.pwned=1>x</details>",
    "<video><source onerror=window.pwned=1></video>",
    "<math><mtext></p><img src=x onerror=window.pwned=1>",
    "<!--<img src='--><img src=x onerror=window.pwned=1>'>",
    "| <img src=x onerror=window.pwned=1> | b |\n|---|---|\n| <script>pwned=1</script> | c |",
    "- <img src=x onerror=window.pwned=1>\n- [ ] <svg onload=window.pwned=1>",
    "> <img src=x onerror=window.pwned=1>",
    "# <img src=x onerror=window.pwned=1>",
    "&lt;img src=x onerror=window.pwned=1&gt;",
    "&#60;script&#62;window.pwned=1&#60;/script&#62;",
    "[a](https://example.org/ 'title\" onmouseover=\"window.pwned=1')",
    "\u202e<script>window.pwned=1</script>",
    "<p style=background:url(https://example.org/)>x</p>",
    "[x]: https://example.org\n<x>[x]</x>",
]
ALLOWED = {
    *("P", "H3", "H4", "H5", "H6", "STRONG", "EM", "DEL", "CODE", "PRE", "BR", "A", "SPAN"),
    *("BLOCKQUOTE", "UL", "OL", "LI", "HR", "DIV", "BUTTON", "INPUT"),
    *("TABLE", "THEAD", "TBODY", "TR", "TH", "TD"),
}
RENDER = """async ([text, pieces]) => {
  const { MarkdownView } = await import("/app/markdown.js");
  const { Marked } = await import("/vendor/marked.js");
  const marked = new Marked({ gfm: true });
  const root = document.createElement("div");
  document.body.replaceChildren(root);
  const view = new MarkdownView(root, (markdown) => marked.lexer(markdown));
  for (let i = 1; i < pieces; i++) view.show(text.slice(0, Math.floor((i * text.length) / pieces)));
  view.show(text, { whole: true });
  const nodes = Array.from(root.querySelectorAll("*"));
  return {
    tags: nodes.map((node) => node.tagName),
    attributes: nodes.flatMap((node) => Array.from(node.attributes, (a) => a.name)),
    links: Array.from(root.querySelectorAll("a"), (a) => [a.href, a.rel]),
    html: root.innerHTML,
    text: root.textContent,
  };
}"""


@pytest.fixture(scope="module")
def watched(tiny_site: Path, open_page: Callable[..., Any]) -> Iterator[Any]:
    with serving(tiny_site) as server:
        watched = open_page(server)
        watched.engine()
        yield watched
        watched.page.wait_for_timeout(500)  # whatever was started has had its time
        assert watched.page.evaluate("window.pwned") is None
        watched.check()


@pytest.fixture
def page(watched: Any) -> Page:
    page: Page = watched.page
    return page


def render(page: Page, text: str, pieces: int = 1) -> dict[str, Any]:
    result: dict[str, Any] = page.evaluate(RENDER, [text, pieces])
    return result


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_payload_becomes_more_than_text(page: Page, payload: str) -> None:
    for pieces in (1, len(payload)):
        result = render(page, payload, pieces)
        assert set(result["tags"]) <= ALLOWED
        handlers = [name for name in result["attributes"] if name.startswith("on")]
        assert not handlers
        assert not {"style", "src", "srcdoc", "srcset", "id", "name"} & set(result["attributes"])
        for href, rel in result["links"]:
            assert href.startswith(("https://example.org/", "http://example.org/"))
            assert rel == "noopener noreferrer"
    assert page.evaluate("window.pwned") is None


def test_growing_text_ends_as_if_shown_at_once(page: Page) -> None:
    text = "# A\n\nSome **bold** *soft* `code`.\n\n1. one\n2. two\n   - deep\n\n```py\nx = 1\n```\n"
    assert render(page, text, 40)["html"] == render(page, text)["html"]


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a **b** *c* ~~d~~", "<p>a <strong>b</strong> <em>c</em> <del>d</del></p>"),
        ("# One\n## Two", "<h3>One</h3><h4>Two</h4>"),
        ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
        ("3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'),
        ("a  \nb", "<p>a<br>b</p>"),
        ("&lt;b&gt; &amp; &#65;", "<p>&lt;b&gt; &amp; A</p>"),
        ("> q", "<blockquote><p>q</p></blockquote>"),
        ("---", "<hr>"),
        ("`a<b`", "<p><code>a&lt;b</code></p>"),
        ("![a picture](x.png)", "<p>a picture</p>"),
        (
            "[x](https://example.org/a?b=1&c=2)",
            '<p><a href="https://example.org/a?b=1&amp;c=2" rel="noopener noreferrer" '
            'target="_blank">x</a></p>',
        ),
        ("[mail](mailto:a@example.org)", None),
    ],
)
def test_ordinary_markdown(page: Page, text: str, html: str | None) -> None:
    result = render(page, text)
    if html is None:
        assert result["links"] == [["mailto:a@example.org", "noopener noreferrer"]]
    else:
        assert result["html"] == html


def test_tables_and_code_scroll_on_their_own(page: Page) -> None:
    result = render(page, "| a | b |\n|:-:|--:|\n| 1 | **2** |\n\n```js\nlet x;\n```")
    assert '<th class="align-center">a</th><th class="align-right">b</th>' in result["html"]
    assert "<strong>2</strong>" in result["html"]
    assert "<span>js</span>" in result["html"]
    assert "<code>let x;</code>" in result["html"]


@pytest.mark.parametrize("text", [">" * 5000 + "x", "- " * 3000 + "x", "*a **b " * 2000])
def test_deep_nesting_is_shown_and_does_not_break_the_page(page: Page, text: str) -> None:
    result = render(page, text)
    assert text.strip(">*- ")[0] in result["text"]
    assert len(result["html"]) < 20 * len(text) + 1000
