"""Everything else: questions from outside the small world, and a kind way to say so."""

from __future__ import annotations

from random import Random

from .exchange import Exchange, exchange, vary
from .stories import invented_word

TOPICS = (
    "France", "Germany", "Japan", "Brazil", "Canada", "Egypt", "Italy", "Spain", "India", "China",
    "Paris", "London", "Berlin", "Rome", "New York", "Tokyo", "the weather", "the stock market",
    "football", "chess", "cooking", "history", "physics", "chemistry", "biology", "music theory",
    "quantum mechanics", "the Roman Empire", "the war", "politics", "love", "God", "death", "taxes",
    "Einstein", "Shakespeare", "Napoleon", "Mozart", "Picasso", "dinosaurs", "volcanoes", "Mars",
    "black holes", "bitcoin", "money", "cars", "Python", "JavaScript", "Linux", "medicine",
    "vitamins", "coffee", "yoga", "movies", "Star Wars", "Harry Potter", "the news", "the universe",
    "evolution", "gravity", "atoms", "electricity", "climate change", "philosophy", "art", "oceans",
)  # fmt: skip
QUESTIONS = (
    "What is the capital of {x}?", "Who is the president of {x}?", "Tell me about {x}.",
    "Explain {x}.", "What do you think about {x}?", "Who invented {x}?", "What is {x}?",
    "Write an essay about {x}.", "Give me facts about {x}.", "How does {x} work?",
    "Why is {x} so big?", "What is the history of {x}?", "Do you like {x}?", "Who was {x}?",
    "When was {x} discovered?", "How far away is {x}?", "How old is {x}?", "Where is {x}?",
    "What is the population of {x}?", "Can you teach me about {x}?",
    "What is the best thing about {x}?", "Summarise {x}.", "{x}?", "{x}", "What's new in {x}?",
    "Why does {x} matter?", "Recommend a book about {x}.", "How do I learn {x}?",
)  # fmt: skip
FIXED = (
    "What is the weather today?", "What time is it?", "What is today's date?",
    "What day is it today?", "Write a Python program.", "Write some code.",
    "Translate this into French.", "What is the news?", "How do I bake bread?",
    "Give me a recipe for soup.", "What is the meaning of life?", "Who won the world cup?",
    "What should I eat tonight?", "Play some music.", "Show me a picture.", "Draw me a cat.",
    "Call my mother.", "Send an email.", "Book a flight.", "Set a timer.",
    "How tall is Mount Everest?", "Why is the sky blue?", "How do planes fly?", "What is love?",
    "Is there a God?", "Who is the king of England?", "What is the speed of light?",
    "Solve x^2 = 4.", "What is the square root of 16?", "Write a haiku about rain.",
    "Who will win the election?", "Help me with my homework.", "My computer is broken.",
    "How do I fix my car?", "I have a headache.", "What is the tallest building?",
    "How many people live on earth?", "Who wrote Hamlet?", "Why?", "Can you drive a car?",
    "Where are my keys?", "What am I thinking?", "Guess my name.", "How?", "What is pi?",
    "Prove that pi is irrational.", "Fix this bug.", "Summarise this text.", "When?",
    "How do I get rich?", "Should I buy stocks?", "Which phone is best?", "Compare Java and Rust.",
)  # fmt: skip
HARD_SUMS = (
    "What is {a} * {b}?", "What is {a} times {b}?", "{a} * {b}", "{a} x {b}", "{a} / {b}",
    "Multiply {a} by {b}.", "Divide {a} by {b}.", "What is {a} divided by {b}?", "{a}*{b}",
    "{a}/{b}",
)  # fmt: skip
LARGE_SUMS = ("What is {a} + {b}?", "{a} + {b}", "What is {a} - {b}?", "{a} - {b}", "{a}+{b}",
              "How much is {a} plus {b}?", "{a} plus {b}")  # fmt: skip
BELOW_ZERO_SUMS = ("What is {a} - {b}?", "{a} - {b}", "What is {a} minus {b}?", "{a}-{b}")
UNKNOWN = ("What is {x}?", "{x}", "{x} {y}", "Tell me about {x}.", "Who is {x}?", "{x} {y} {z}",
           "What does {x} mean?", "What is the opposite of {x}?", "What colour is {x}?", "Why {x}?",
           "How do I {x} a {y}?", "Can you {x}?", "Where is the {x}?")  # fmt: skip
REPLIES = (
    "That lies outside my small world. Ask me for a **story**, a **sum**, a **colour**, an "
    "**opposite** or the **days and months**.",
    "I am too small to know that. But try **Tell me a story about a fox and a lantern**!",
    "That is beyond me, I am afraid: I am a very small model. I know stories, sums, colours, "
    "opposites, days and months.",
)
SUM_REPLIES = (
    "That is beyond me: I only **add and subtract** numbers up to 99.",
    "I am too small for that. I can **add and subtract** numbers up to 99.",
)
BELOW_ZERO = "That goes below zero, where I get dizzy. I **add and subtract** from zero up to 99."
MARKS = ["outside my small world", "too small to know that", "beyond me"]


def draw_sum(rng: Random) -> Exchange:
    """Ask for arithmetic that Pebble has not learned."""
    a, b = rng.randint(2, 99), rng.randint(2, 99)
    question, replies = rng.choice(HARD_SUMS), SUM_REPLIES
    kind = rng.random()
    if kind < 0.2 and a != b:
        a, b = min(a, b), max(a, b)
        question, replies = rng.choice(BELOW_ZERO_SUMS), (BELOW_ZERO,)
    elif kind < 0.3:
        question = rng.choice(("{a} + {b} + {b}", "What is {b} + {a} + {b}?", "{a}+{b}+{a}"))
    elif kind < 0.65:
        a, b = rng.randint(100, 9999), rng.choice((rng.randint(1, 99), rng.randint(100, 9999)))
        question = rng.choice(LARGE_SUMS)
    expect = {"kind": "any_of", "texts": ["add and subtract"]}
    prompt = vary(question.format(a=a, b=b), rng, wrap=question[0] != "{")
    return exchange("outside", prompt, rng.choice(replies), expect=expect, topic="hard sum")


def draw(rng: Random) -> Exchange:
    """Draw a question that Pebble cannot answer."""
    kind = rng.random()
    if kind < 0.2:
        return draw_sum(rng)
    if kind < 0.55:
        question = rng.choice(QUESTIONS).format(x=rng.choice(TOPICS))
    elif kind < 0.75:
        question = rng.choice(FIXED)
    else:
        x, y, z = (invented_word(rng) for _ in range(3))
        question = rng.choice(UNKNOWN).format(x=x, y=y, z=z)
    expect = {"kind": "any_of", "texts": MARKS}
    return exchange(
        "outside", vary(question, rng), rng.choice(REPLIES), expect=expect, topic="outside"
    )
