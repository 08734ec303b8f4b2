"""Days of the week, months of the year, and how many there are of each."""

from __future__ import annotations

from random import Random

from .exchange import Exchange, exchange, vary

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September",
          "October", "November", "December")  # fmt: skip
LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
            "tenth", "eleventh", "twelfth")  # fmt: skip
SEASONS = {"spring": (2, 3, 4), "summer": (5, 6, 7), "autumn": (8, 9, 10), "winter": (11, 0, 1)}

AFTER = (
    "What {k} comes after {x}?", "Which {k} comes after {x}?", "What comes after {x}?",
    "What {k} is after {x}?", "Which {k} follows {x}?", "What is the {k} after {x}?",
    "Tell me the {k} after {x}.", "What {k} comes next after {x}?",
)  # fmt: skip
BEFORE = (
    "What {k} comes before {x}?", "Which {k} comes before {x}?", "What comes before {x}?",
    "What {k} is before {x}?", "Which {k} is just before {x}?", "What is the {k} before {x}?",
    "Tell me the {k} before {x}.",
)  # fmt: skip
TOMORROW = ("If today is {x}, what is tomorrow?", "Today is {x}. What day is tomorrow?",
            "It is {x} today, so what is tomorrow?")  # fmt: skip
YESTERDAY = ("If today is {x}, what was yesterday?", "Today is {x}. What day was yesterday?",
             "It is {x} today, so what was yesterday?")  # fmt: skip
LENGTH_QUESTIONS = (
    "How many days are in {x}?", "How many days does {x} have?", "How many days has {x}?",
    "How long is {x}?", "Tell me how many days {x} has.", "How many days are there in {x}?",
)  # fmt: skip
NTH = ("What is the {n} {k} of the {w}?", "Which {k} is the {n} of the {w}?",
       "Which is the {n} {k} of the {w}?", "Name the {n} {k} of the {w}.")  # fmt: skip
SEASON_QUESTIONS = (
    "Which months are in {s}?", "What months are {s}?", "Which months belong to {s}?",
    "When is {s}?", "Name the months of {s}.", "Tell me the {s} months.",
)  # fmt: skip
MONTH_SEASON = ("Which season is {x} in?", "What season is {x}?", "In which season is {x}?",
                "Is {x} in spring, summer, autumn or winter?")  # fmt: skip
LIST_DAYS = ("List the days of the week.", "What are the days of the week?", "Name the seven days.",
             "Tell me the days of the week.", "Which days are in a week?", "List the weekdays.",
             "Can you list the days of the week?", "Say the days of the week.")  # fmt: skip
LIST_MONTHS = ("List the months of the year.", "What are the months of the year?",
               "Name the twelve months.", "Tell me the months of the year.", "List the months.",
               "Can you list the months?", "Which months are in a year?")  # fmt: skip
TABLES = ("Show me a table of the months.", "Make a table of the months and their days.",
          "Give me the months in a table.", "Can you make a table of the months?",
          "Table of months and days", "How many days does each month have?",
          "How long are the months?")  # fmt: skip
FACTS = (
    (("How many days are in a week?", "How many days does a week have?", "How long is a week?",
      "How many days has a week?"), "A week has **seven days**.", "seven days"),
    (("How many months are in a year?", "How many months does a year have?",
      "How many months has a year?"), "A year has **twelve months**.", "twelve months"),
    (("How many days are in a year?", "How many days does a year have?", "How long is a year?",
      "How many days has a year?"),
     "A year has **365 days**, and a leap year has 366.", "365 days"),
    (("How many days are in a leap year?", "What is a leap year?", "How long is a leap year?"),
     "A leap year has **366 days**: February gets one day more.", "366 days"),
    (("How many hours are in a day?", "How many hours does a day have?", "How long is a day?"),
     "A day has **24 hours**.", "24 hours"),
    (("How many minutes are in an hour?", "How many minutes does an hour have?",
      "How long is an hour?"), "An hour has **60 minutes**.", "60 minutes"),
    (("How many seconds are in a minute?", "How many seconds does a minute have?",
      "How long is a minute?"), "A minute has **60 seconds**.", "60 seconds"),
    (("Which days are the weekend?", "What days are the weekend?", "When is the weekend?",
      "Which days belong to the weekend?"),
     "The weekend is **Saturday and Sunday**.", "saturday and sunday"),
    (("Which is the shortest month?", "What is the shortest month?", "Which month is shortest?",
      "Which month has only 28 days?"),
     "**February** is the shortest month, with 28 days.", "february is the shortest month"),
    (("How many seasons are there?", "What are the seasons?", "Name the four seasons.",
      "Which seasons are there?"),
     "There are four seasons: spring, summer, autumn and winter.",
     "spring summer autumn and winter"),
)  # fmt: skip


def names_expect(kind: str, must: str, *may: str) -> dict[str, object]:
    """Expect one day or month; others only if the question named them."""
    return {"kind": "words", "must": [must.lower()], "group": kind, "may": [m.lower() for m in may]}


def draw_neighbour(rng: Random) -> Exchange:
    """Ask for the day or month before or after."""
    kind, names = rng.choice((("day", DAYS), ("month", MONTHS)))
    here = rng.randrange(len(names))
    step = rng.choice((1, -1))
    there = names[(here + step) % len(names)]
    question = rng.choice(AFTER if step > 0 else BEFORE)
    word = "after" if step > 0 else "before"
    reply = rng.choice((
        f"The {kind} {word} {names[here]} is **{there}**.",
        f"**{there}** comes {word} {names[here]}.",
    ))  # fmt: skip
    if kind == "day" and rng.random() < 0.25:
        question = rng.choice(TOMORROW if step > 0 else YESTERDAY)
        when = "tomorrow is" if step > 0 else "yesterday was"
        reply = f"If today is {names[here]}, {when} **{there}**."
    prompt = vary(question.format(k=kind, x=names[here]), rng)
    expect = names_expect(kind, there, names[here])
    topic = f"{word} {there}"
    return exchange("days", prompt, reply, expect=expect, topic=topic)


def draw_length(rng: Random) -> Exchange:
    """Ask how many days a month has."""
    i = rng.randrange(12)
    tail = " In a leap year it has 29." if i == 1 else ""
    reply = f"{MONTHS[i]} has **{LENGTHS[i]} days**.{tail}"
    expect = {"kind": "has_text", "text": f"{MONTHS[i]} has {LENGTHS[i]} days".lower()}
    prompt = vary(rng.choice(LENGTH_QUESTIONS).format(x=MONTHS[i]), rng)
    return exchange("days", prompt, reply, expect=expect, topic="length")


def draw_nth(rng: Random) -> Exchange:
    """Ask for the n-th day of the week or month of the year."""
    kind, whole, names = rng.choice((("day", "week", DAYS), ("month", "year", MONTHS)))
    i = rng.randrange(len(names))
    question = rng.choice(NTH).format(n=ORDINALS[i], k=kind, w=whole)
    reply = f"The {ORDINALS[i]} {kind} of the {whole} is **{names[i]}**."
    if rng.random() < 0.3:
        question = rng.choice(("Which number is {x}?", "What place does {x} have in the {w}?"))
        question = question.format(x=names[i], w=whole)
        reply = f"**{names[i]}** is the {ORDINALS[i]} {kind} of the {whole}."
    expect = names_expect(kind, names[i])
    expect["must"] = [names[i].lower(), ORDINALS[i]]
    return exchange("days", vary(question, rng), reply, expect=expect, topic="nth")


def draw_season(rng: Random) -> Exchange:
    """Ask about seasons (of the northern half of the world, and the reply says so)."""
    season, places = rng.choice(tuple(SEASONS.items()))
    first, second, third = (MONTHS[i] for i in places)
    if rng.random() < 0.5:
        reply = f"In the north, {season} is {first}, {second} and {third}."
        expect = {"kind": "words", "must": [m.lower() for m in (first, second, third)],
                  "group": "month", "may": []}  # fmt: skip
        prompt = vary(rng.choice(SEASON_QUESTIONS).format(s=season), rng)
        return exchange("days", prompt, reply, expect=expect, topic="season")
    month = rng.choice((first, second, third))
    reply = f"In the north, {month} is in **{season}**."
    others = [s for s in SEASONS if s != season]
    expect = {"kind": "words", "must": [season, month.lower()], "must_not": others}
    prompt = vary(rng.choice(MONTH_SEASON).format(x=month), rng)
    return exchange("days", prompt, reply, expect=expect, topic="season")


def draw_list(rng: Random) -> Exchange:
    """Ask for all days or months, as a list or a table."""
    kind = rng.choice(("day", "month", "table"))
    if kind == "table":
        rows = "\n".join(f"| {m} | {n} |" for m, n in zip(MONTHS, LENGTHS, strict=True))
        question = rng.choice(TABLES)
        reply = f"Here they are:\n\n| Month | Days |\n| --- | --- |\n{rows}"
        expect = {"kind": "has_text", "text": " ".join(
            f"{m} {n}".lower() for m, n in zip(MONTHS, LENGTHS, strict=True))}  # fmt: skip
        return exchange("days", vary(question, rng), reply, expect=expect, topic="table")
    names, questions, whole = (
        (DAYS, LIST_DAYS, "week") if kind == "day" else (MONTHS, LIST_MONTHS, "year")
    )
    question = rng.choice(questions)
    listed = "\n".join(f"{i}. {name}" for i, name in enumerate(names, 1))
    reply = f"The {kind}s of the {whole}:\n\n{listed}"
    expect = {"kind": "words", "must": [n.lower() for n in names], "group": kind, "may": []}
    return exchange("days", vary(question, rng), reply, expect=expect, topic="list")


def draw_fact(rng: Random) -> Exchange:
    """Ask one of the fixed facts."""
    questions, reply, text = rng.choice(FACTS)
    expect = {"kind": "has_text", "text": text}
    return exchange("days", vary(rng.choice(questions), rng), reply, expect=expect, topic="fact")


DRAWS = (draw_neighbour, draw_neighbour, draw_neighbour, draw_length, draw_nth, draw_season,
         draw_list, draw_fact)  # fmt: skip


def draw(rng: Random) -> Exchange:
    """Draw a question about days and months."""
    return rng.choice(DRAWS)(rng)


def follow_up(previous: Exchange, rng: Random) -> Exchange | None:
    """Walk on through the week or the year: "And after that?"."""
    word, _, here = previous.topic.partition(" ")
    names = DAYS if here in DAYS else MONTHS
    if here not in names:
        return None
    there = names[(names.index(here) + (1 if word == "after" else -1)) % len(names)]
    questions = ("And after that?", "And then?", "What comes next?", f"And after {here}?")
    if word == "before":
        questions = ("And before that?", f"And before {here}?")
    kind = "day" if names is DAYS else "month"
    reply = f"The {kind} {word} {here} is **{there}**."
    prompt = vary(rng.choice(questions), rng)
    expect = names_expect(kind, there, here)
    return Exchange("days", prompt, reply, expect, False, f"{word} {there}")
