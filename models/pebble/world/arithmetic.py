"""Sums and differences of numbers up to 99, worked out in two small steps."""

from __future__ import annotations

from random import Random

from .exchange import Exchange, in_held_out_share, vary

LIMIT = 99
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

SUM_QUESTIONS = (
    "What is {a} + {b}?", "What is {a} plus {b}?", "{a} + {b}", "{a}+{b}", "{a} + {b} = ?",
    "{a} plus {b}", "Add {a} and {b}.", "Can you add {a} and {b}?", "How much is {a} + {b}?",
    "How much is {a} plus {b}?", "What do {a} and {b} make?", "What's {a} + {b}?", "{a}+{b}=",
    "What is the sum of {a} and {b}?", "Please add {b} to {a}.", "Calculate {a} + {b}.",
    "I have {a} apples and get {b} more. How many apples do I have?", "{a}+{b}=?",
    "There are {a} red stones and {b} blue stones. How many stones are there?", "{a} + {b} =",
    "Work out {a} plus {b} for me.", "What's {a} plus {b}?", "What does {a} + {b} equal?",
)  # fmt: skip
DIFFERENCE_QUESTIONS = (
    "What is {a} - {b}?", "What is {a} minus {b}?", "{a} - {b}", "{a}-{b}", "{a} - {b} = ?",
    "{a} minus {b}", "Subtract {b} from {a}.", "Take {b} away from {a}.", "{a} - {b} =",
    "How much is {a} - {b}?", "How much is {a} minus {b}?", "What's {a} - {b}?", "{a}-{b}=",
    "What is the difference between {a} and {b}?", "What's {a} minus {b}?", "{a}-{b}=?",
    "I have {a} apples and eat {b} of them. How many are left?", "Calculate {a} - {b}.",
    "Can you subtract {b} from {a}?", "What is {a} take away {b}?",
    "There were {a} birds and {b} flew away. How many birds stayed?",
    "What does {a} - {b} equal?", "Work out {a} minus {b} for me.",
)  # fmt: skip
SHORT_ANSWERS = ("{sum}.", "That is easy: {sum}.", "{sum}. There you go!")
WORKED_ANSWERS = (
    "{first}, and {second}. So {sum}.",
    "Step by step: {first}, and {second}. So {sum}.",
    "Tens first: {first}. Then the ones: {second}. So {sum}.",
)
FOLLOW_UPS = ("And {x}?", "What about {x}?", "Now {x}.", "And what is {x}?", "Okay, and {x}?")


def pair_is_held_out(a: int, sign: str, b: int) -> bool:
    """Whether this sum or difference is never shown in training, in either order.

    Only pairs of two-digit numbers with non-zero ones are held out: the small facts
    and the round tens are the steps that every worked answer needs.
    """
    if min(a, b) <= 10 or a % 10 == 0 or b % 10 == 0:
        return False
    low, high = sorted((a, b))
    return in_held_out_share(f"{low}{sign}{high}")


def equation(a: int, sign: str, b: int) -> str:
    """Write one true equation."""
    return f"{a} {sign} {b} = {a + b if sign == '+' else a - b}"


def answer(a: int, sign: str, b: int, rng: Random) -> str:
    """Answer at once when one step does it, else do the tens of `b` and then its ones."""
    whole = f"**{equation(a, sign, b)}**"
    tens, ones = b - b % 10, b % 10
    if tens == 0 or ones == 0:
        return rng.choice(SHORT_ANSWERS).format(sum=whole)
    after_tens = a + tens if sign == "+" else a - tens
    return rng.choice(WORKED_ANSWERS).format(
        first=equation(a, sign, tens), second=equation(after_tens, sign, ones), sum=whole
    )


def draw_pair(rng: Random, sign: str) -> tuple[int, int]:
    """Choose two numbers, small ones more often than chance would."""
    kind = rng.random()
    if kind < 0.15:
        a, b = rng.randint(0, 10), rng.randint(0, 10)
    elif kind < 0.35:
        a, b = rng.randint(0, LIMIT), rng.randint(0, 10)
    elif kind < 0.45:
        a, b = rng.randint(0, LIMIT), 10 * rng.randint(1, 9)
    else:
        a, b = rng.randint(10, LIMIT), rng.randint(10, LIMIT)
    if sign == "-":
        return max(a, b), min(a, b)
    return (b, a) if rng.random() < 0.3 else (a, b)


def ask(a: int, sign: str, b: int, rng: Random, *, question: str | None = None) -> Exchange:
    """Ask one sum or difference."""
    questions = SUM_QUESTIONS if sign == "+" else DIFFERENCE_QUESTIONS
    asked = question or rng.choice(questions)
    shown: tuple[int | str, int | str] = (a, b)
    if max(a, b) < len(WORDS) and rng.random() < 0.3:
        shown = (WORDS[a], WORDS[b])
    prompt = vary(asked.format(a=shown[0], b=shown[1]), rng, wrap=asked[0] != "{")
    category = "sums" if sign == "+" else "differences"
    expect = {"kind": "equation", "equation": equation(a, sign, b)}
    held_out = pair_is_held_out(a, sign, b)
    return Exchange(category, prompt, answer(a, sign, b, rng), expect, held_out, category)


def draw_sum(rng: Random) -> Exchange:
    """Draw a question about a sum."""
    return ask(*_signed(draw_pair(rng, "+"), "+"), rng)


def draw_difference(rng: Random) -> Exchange:
    """Draw a question about a difference."""
    return ask(*_signed(draw_pair(rng, "-"), "-"), rng)


def _signed(pair: tuple[int, int], sign: str) -> tuple[int, str, int]:
    return pair[0], sign, pair[1]


def follow_up(previous: Exchange, rng: Random) -> Exchange:
    """Ask another one in passing: "And 12 + 30?"."""
    sign = "+" if previous.category == "sums" else "-"
    short = rng.choice(("{a} + {b}", "{a} plus {b}") if sign == "+" else ("{a} - {b}",))
    question = rng.choice(FOLLOW_UPS).format(x=short)
    return ask(*_signed(draw_pair(rng, sign), sign), rng, question=question)
