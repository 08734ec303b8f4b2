"""Counting up, counting down, neighbours, even and odd, more and less, and legs."""

from __future__ import annotations

from random import Random

from .exchange import Exchange, capital, exchange, vary, with_article

UP = (
    "Count from {a} to {b}.", "Can you count from {a} to {b}?", "Count up from {a} to {b}.",
    "Please count from {a} to {b}.", "Count {a} to {b}.", "Could you count from {a} up to {b}?",
    "Say the numbers from {a} to {b}.", "List the numbers from {a} to {b}.",
    "Write the numbers {a} to {b}.", "Which numbers go from {a} to {b}?",
)  # fmt: skip
TO = ("Count to {b}.", "Can you count to {b}?", "Count up to {b}.", "Please count to {b}.")
DOWN = (
    "Count down from {b} to {a}.", "Count backwards from {b} to {a}.", "Count from {b} to {a}.",
    "Can you count down from {b} to {a}?", "Count back from {b} to {a}.",
    "Please count backwards from {b} to {a}.",
)  # fmt: skip
FAR = (50, 99, 100, 120, 200, 500, 1000, 10000)
COUNTDOWN = ("Count down from {b}.", "Do a countdown from {b}.", "Give me a countdown from {b}.")
STEPS = (
    "Count in {w} from {a} to {b}.", "Count by {w} from {a} to {b}.",
    "Can you count in {w} from {a} to {b}?",
)  # fmt: skip
PARITY_LISTS = (
    "What are the {k} numbers from {a} to {b}?", "List the {k} numbers from {a} to {b}.",
    "Tell me the {k} numbers from {a} to {b}.", "Which {k} numbers are there from {a} to {b}?",
)  # fmt: skip
AFTER = (
    "What comes after {n}?", "What number comes after {n}?", "Which number comes after {n}?",
    "What is the next number after {n}?", "What number follows {n}?", "What is one more than {n}?",
    "Tell me the number after {n}.",
)  # fmt: skip
BEFORE = (
    "What comes before {n}?", "What number comes before {n}?", "Which number is before {n}?",
    "What is the number just before {n}?", "What is one less than {n}?",
    "Tell me the number before {n}.",
)  # fmt: skip
PARITY = (
    "Is {n} even or odd?", "Is {n} odd or even?", "Is {n} an even number?", "Is {n} an odd number?",
    "Even or odd: {n}?", "Tell me if {n} is even or odd.",
)  # fmt: skip
BIGGER = (
    "Which is bigger, {a} or {b}?", "Which number is bigger: {a} or {b}?",
    "What is more, {a} or {b}?", "Is {a} bigger than {b}?", "Which is larger, {a} or {b}?",
)  # fmt: skip
SMALLER = ("Which is smaller, {a} or {b}?", "What is less, {a} or {b}?", "Is {a} smaller than {b}?")
LEGS = {
    "cat": 4, "dog": 4, "horse": 4, "spider": 8, "bee": 6, "ant": 6, "bird": 2, "duck": 2,
    "snake": 0, "fish": 0, "cow": 4, "beetle": 6, "chair": 4, "hen": 2, "mouse": 4, "frog": 4,
    "butterfly": 6, "elephant": 4, "snail": 0, "table": 4,
}  # fmt: skip
LEG_QUESTIONS = (
    "How many legs does {x} have?", "How many legs has {x}?", "Count the legs of {x}.",
    "Tell me how many legs {x} has.",
)  # fmt: skip
NUMBER_WORDS = {0: "no", 2: "two", 4: "four", 6: "six", 8: "eight"}
LIST_LEADS = ("Here we go: ", "Gladly: ", "")
COUNTDOWN_ENDS = (" Lift-off!", " Done!", " Whoosh!")


def sequence(category_question: str, numbers: list[int], rng: Random, *, end: str = "") -> Exchange:
    """Answer with a row of numbers."""
    row = ", ".join(str(n) for n in numbers) + "."
    reply = rng.choice(LIST_LEADS) + row + end
    expect = {"kind": "numbers", "numbers": numbers}
    return exchange(
        "counting", vary(category_question, rng), reply, expect=expect, topic="sequence"
    )


def draw_row(rng: Random) -> Exchange:
    """Count up or down over a short range."""
    length = rng.choice((4, 5, 6, 7, 8, 9, 10, 11))
    a = rng.choice((rng.randint(0, 12), rng.randint(0, 99 - length)))
    b = a + length - 1
    kind = rng.random()
    if kind < 0.5:
        return sequence(rng.choice(UP).format(a=a, b=b), list(range(a, b + 1)), rng)
    if kind < 0.62:
        b = rng.randint(2, 20)
        return sequence(rng.choice(TO).format(b=b), list(range(1, b + 1)), rng)
    if kind < 0.72:
        b = rng.randint(3, 15)
        end = rng.choice(COUNTDOWN_ENDS)
        return sequence(rng.choice(COUNTDOWN).format(b=b), list(range(b, 0, -1)), rng, end=end)
    end = rng.choice(COUNTDOWN_ENDS)
    return sequence(rng.choice(DOWN).format(a=a, b=b), list(range(b, a - 1, -1)), rng, end=end)


def draw_far(rng: Random) -> Exchange:
    """Ask for more numbers than anybody wants to read."""
    far = rng.choice((*FAR, rng.randint(31, 99)))
    reply = "That is a long way! It starts like this: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and so on."
    prompt = vary(rng.choice(TO).format(b=far), rng)
    expect = {"kind": "numbers", "numbers": list(range(1, 11))}
    return exchange("counting", prompt, reply, expect=expect, topic="far")


def draw_steps(rng: Random) -> Exchange:
    """Count in twos, fives or tens, or list even or odd numbers."""
    if rng.random() < 0.5:
        step, word = rng.choice(((2, "twos"), (5, "fives"), (10, "tens")))
        a = step * rng.randint(0, 4)
        b = a + step * rng.randint(3, 6)
        question = rng.choice(STEPS).format(w=word, a=a, b=b)
        return sequence(question, list(range(a, b + 1, step)), rng)
    kind = rng.choice(("even", "odd"))
    a = rng.randint(0, 30)
    b = a + rng.randint(5, 13)
    numbers = [n for n in range(a, b + 1) if n % 2 == (kind == "odd")]
    question = rng.choice(PARITY_LISTS)
    return sequence(question.format(k=kind, a=a, b=b), numbers, rng)


def draw_neighbour(rng: Random) -> Exchange:
    """Ask for the number before or after."""
    n = rng.randint(1, 99)
    if rng.random() < 0.5:
        question, other = rng.choice(AFTER), n + 1
        reply = rng.choice((f"After {n} comes **{other}**.", f"The next number is **{other}**."))
    else:
        question, other = rng.choice(BEFORE), n - 1
        reply = rng.choice(
            (f"Before {n} comes **{other}**.", f"It is **{other}**, just before {n}.")
        )
    expect = {"kind": "has_number", "must": other, "may": [n]}
    prompt = vary(question.format(n=n), rng)
    return exchange("counting", prompt, reply, expect=expect, topic="neighbour")


def draw_parity(rng: Random) -> Exchange:
    """Ask whether a number is even or odd."""
    n = rng.randint(0, 99)
    kind = "odd" if n % 2 else "even"
    other = "even" if n % 2 else "odd"
    why = {"odd": "One is left over when you make pairs", "even": "It splits into pairs"}[kind]
    reply = rng.choice((f"{n} is **{kind}**.", f"{n} is **{kind}**. {why}."))
    expect = {"kind": "words", "must": [kind], "must_not": [other]}
    prompt = vary(rng.choice(PARITY).format(n=n), rng)
    return exchange("counting", prompt, reply, expect=expect, topic="parity")


def draw_compare(rng: Random) -> Exchange:
    """Ask which of two numbers is bigger or smaller."""
    a, b = rng.sample(range(100), 2)
    bigger = rng.random() < 0.6
    word = "bigger" if bigger else "smaller"
    top, rest = (max(a, b), min(a, b)) if bigger else (min(a, b), max(a, b))
    question = rng.choice(BIGGER if bigger else SMALLER).format(a=a, b=b)
    reply = f"**{top}** is {word} than {rest}."
    if question.startswith("Is "):
        reply = ("Yes, " if top == a else "No, ") + reply
    expect = {"kind": "has_text", "text": f"{top} is {word} than {rest}"}
    return exchange("counting", vary(question, rng), reply, expect=expect, topic="compare")


def draw_legs(rng: Random) -> Exchange:
    """Ask how many legs something has."""
    thing, count = rng.choice(tuple(LEGS.items()))
    number = NUMBER_WORDS[count]
    name = with_article(thing)
    tail = " It gets along very well without." if count == 0 else ""
    reply = f"{capital(name)} has **{number} legs**.{tail}"
    expect = {"kind": "has_text", "text": f"{name} has {number} legs"}
    prompt = vary(rng.choice(LEG_QUESTIONS).format(x=name), rng)
    return exchange("counting", prompt, reply, expect=expect, topic="legs")


DRAWS = (draw_row, draw_row, draw_row, draw_steps, draw_neighbour, draw_neighbour,
         draw_parity, draw_compare, draw_legs)  # fmt: skip


def draw(rng: Random) -> Exchange:
    """Draw a question about counting."""
    return draw_far(rng) if rng.random() < 0.03 else rng.choice(DRAWS)(rng)


def follow_up(previous: Exchange, rng: Random) -> Exchange | None:
    """Continue: "And after that?"."""
    if previous.topic != "neighbour":
        return None
    n = previous.expect["must"]
    after = previous.reply.startswith(("After", "The next"))
    other = n + 1 if after else n - 1
    if other < 0:
        return None
    if after:
        prompt = rng.choice(("And after that?", "And then?", f"And after {n}?", "What comes next?"))
        reply = f"After {n} comes **{other}**."
    else:
        prompt = rng.choice(("And before that?", f"And before {n}?"))
        reply = f"Before {n} comes **{other}**."
    expect = {"kind": "has_number", "must": other, "may": [n]}
    return Exchange("counting", vary(prompt, rng), reply, expect, False, "neighbour")
