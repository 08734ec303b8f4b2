"""Decide whether a reply is right. Each check returns what is wrong, or nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

from world import WEIGHTS, draw_from
from world.colours import COLOURS, SHAPE_NAMES, SHAPE_OF, SIDES
from world.days import DAYS, MONTHS
from world.opposites import WORDS
from world.stories import HEROES

LEXICON_DRAWS = 40_000
GROUPS = {
    "opposites": set(WORDS),
    "colours": set(COLOURS),
    "shapes": {*SIDES, *SHAPE_NAMES.values(), *SHAPE_OF.values()},
    "day": {d.lower() for d in DAYS},
    "month": {m.lower() for m in MONTHS},
}
STORY_OPENINGS = ("once upon a time in ", "long ago ", "in ")
FEWEST_PARAGRAPHS, MOST_PARAGRAPHS = 4, 6
FEWEST_MENTIONS = 2

Expect = dict[str, Any]


def plain(text: str) -> str:
    """Keep letters and digits only, lower-case, single spaces, a space at both ends."""
    return " " + " ".join(re.findall(r"[a-z0-9']+", text.lower())) + " "


def words_of(text: str) -> set[str]:
    """The distinct words of a text."""
    return set(plain(text).split())


@cache
def lexicon() -> frozenset[str]:
    """Every word that the world's own replies use: any other word is babble."""
    rng = Random("lexicon")
    categories = [c for c in WEIGHTS if c != "invented"]
    replies = (draw_from(categories[i % len(categories)], rng).reply for i in range(LEXICON_DRAWS))
    return frozenset(word for reply in replies for word in words_of(reply))


def check_words(expect: Expect, reply: str) -> str | None:
    """Some words must be there, some must not, and of a group only those that belong."""
    words = words_of(reply)
    if missing := set(expect["must"]) - words:
        return f"misses {sorted(missing)}"
    group = (
        GROUPS.get(expect.get("group", ""), set())
        - set(expect["must"])
        - set(expect.get("may", ()))
    )
    if strangers := words & (group | set(expect.get("must_not", ()))):
        return f"also says {sorted(strangers)}"
    return None


def check_any_of(expect: Expect, reply: str) -> str | None:
    """One of several phrases must be there, as text."""
    said = plain(reply)
    if any(plain(text).strip() in said for text in expect["texts"]):
        return None
    return f"says none of {expect['texts']}"


def check_has_text(expect: Expect, reply: str) -> str | None:
    """One phrase must be there, word for word."""
    return None if plain(expect["text"]) in plain(reply) else f"does not say {expect['text']!r}"


def check_numbers(expect: Expect, reply: str) -> str | None:
    """Exactly these numbers, in this order."""
    said = [int(n) for n in re.findall(r"\d+", reply)]
    return None if said == expect["numbers"] else f"counts {said}"


def check_has_number(expect: Expect, reply: str) -> str | None:
    """This number, and no other but those of the question."""
    said = {int(n) for n in re.findall(r"\d+", reply)}
    if expect["must"] in said and said <= {expect["must"], *expect["may"]}:
        return None
    return f"names {sorted(said)}, not {expect['must']}"


def check_equation(expect: Expect, reply: str) -> str | None:
    """Every equation of the working must be true, and the last must be the one asked for."""
    equations = re.findall(r"(\d+) ([+-]) (\d+) = (-?\d+)", reply)
    for a, sign, b, result in equations:
        if int(a) + (int(b) if sign == "+" else -int(b)) != int(result):
            return f"says {a} {sign} {b} = {result}"
    if not equations:
        return "has no equation"
    a, sign, b, result = equations[-1]
    last = f"{a} {sign} {b} = {result}"
    return None if last == expect["equation"] else f"ends with {last}"


def check_things(expect: Expect, reply: str) -> str | None:
    """So many different things of this colour."""
    said = plain(reply)
    count = sum(plain(thing) in said for thing in expect["things"])
    right = count == expect["count"] and plain(expect["colour"]).strip() in said
    return None if right else f"names {count} {expect['colour']} things"


def check_story(expect: Expect, reply: str) -> str | None:
    """A title, a beginning, an end, the hero and the thing asked for, and one name throughout."""
    paragraphs = [p for p in reply.split("\n\n") if p.strip()]
    if not FEWEST_PARAGRAPHS <= len(paragraphs) <= MOST_PARAGRAPHS:
        return f"has {len(paragraphs)} paragraphs"
    title = re.fullmatch(r"\*\*The (.+) and the (.+)\*\*", paragraphs[0].strip())
    if not title:
        return "has no title"
    hero, thing = title.groups()
    if expect["hero"] not in (None, hero) or expect["thing"] not in (None, thing):
        return f"is about {hero} and {thing}"
    body = plain(" ".join(paragraphs[1:]))
    if not body[1:].startswith(STORY_OPENINGS):
        return "has no beginning"
    if not body.endswith(" the end "):
        return "has no end"
    name = HEROES.get(hero, "Pim").lower()
    strangers = ({n.lower() for n in HEROES.values()} - {name}) & set(body.split())
    if strangers or body.count(f" {name} ") < FEWEST_MENTIONS:
        return f"calls {name} also {sorted(strangers)}" if strangers else f"forgets {name}"
    if f" {hero} " not in body or plain(thing) not in body:
        return f"forgets the {hero} or the {thing}"
    return None


CHECKS: dict[str, Callable[[Expect, str], str | None]] = {
    "words": check_words, "any_of": check_any_of, "has_text": check_has_text,
    "numbers": check_numbers, "has_number": check_has_number, "equation": check_equation,
    "things": check_things, "story": check_story,
}  # fmt: skip


def fault(expect: Expect, prompt: str, reply: str) -> str | None:
    """Return what is wrong with a reply, or None if it is right."""
    if not reply.strip():
        return "is empty"
    letters = {w for w in words_of(reply) if not w.isdigit()}
    if babble := letters - lexicon() - words_of(prompt):
        return f"babbles {sorted(babble)}"
    sentences = [s for s in re.split(r"(?<=[.!?])\s+|\n+", reply) if len(s.split()) > 3]
    if len(set(sentences)) < len(sentences):
        return "repeats itself"
    return CHECKS[expect["kind"]](expect, reply)
