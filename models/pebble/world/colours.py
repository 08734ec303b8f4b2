"""Colours of things, mixing paint, the rainbow, and shapes with their sides."""

from __future__ import annotations

from random import Random

from .exchange import Exchange, capital, exchange, vary, with_article

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "violet", "indigo", "pink",
           "brown", "black", "white", "grey", "gold", "silver")  # fmt: skip
COLOUR_OF = {
    "the sky": "blue", "the sea": "blue", "grass": "green", "a leaf": "green", "a banana": "yellow",
    "the sun": "yellow", "snow": "white", "milk": "white", "a cloud": "white", "coal": "black",
    "the night": "black", "a tomato": "red", "a strawberry": "red", "a fire engine": "red",
    "a cherry": "red", "a carrot": "orange", "an orange": "orange", "a pumpkin": "orange",
    "a lemon": "yellow", "chocolate": "brown", "a bear": "brown", "wood": "brown", "a pig": "pink",
    "a flamingo": "pink", "an elephant": "grey", "a mouse": "grey", "a plum": "purple",
    "lavender": "purple", "a frog": "green", "a cucumber": "green", "a swan": "white",
    "a raven": "black", "a fox": "orange", "a blueberry": "blue", "a sunflower": "yellow",
    "a pea": "green", "an aubergine": "purple", "a whale": "blue", "soil": "brown", "salt": "white",
    "a ladybird": "red", "a canary": "yellow", "moss": "green", "a crow": "black",
    "a crown": "gold", "a coin": "silver", "a pebble": "grey",
}  # fmt: skip
COLOUR_QUESTIONS = (
    "What colour is {x}?", "What color is {x}?", "Which colour is {x}?", "Which color is {x}?",
    "What is the colour of {x}?", "Tell me the colour of {x}.", "What's the color of {x}?",
    "Do you know the colour of {x}?", "Can you tell me what colour {x} is?",
)  # fmt: skip
COLOUR_REPLIES = ("{X} is **{c}**.", "{X} is usually **{c}**.", "I picture {x} as **{c}**.")
MIXES = {
    ("red", "yellow"): "orange", ("blue", "yellow"): "green", ("red", "blue"): "purple",
    ("red", "white"): "pink", ("black", "white"): "grey", ("red", "green"): "brown",
}  # fmt: skip
MIX_QUESTIONS = (
    "What do you get when you mix {a} and {b}?", "What colour do {a} and {b} make?",
    "Mix {a} and {b}.", "If I mix {a} with {b}, what colour do I get?",
    "What is {a} mixed with {b}?", "What color do {a} and {b} make?",
    "Which colour comes from {a} and {b}?", "I mix {a} paint with {b} paint. What happens?",
    "What happens if I mix {a} and {b}?",
)  # fmt: skip
SIDES = {
    "triangle": 3, "square": 4, "rectangle": 4, "pentagon": 5, "hexagon": 6, "heptagon": 7,
    "octagon": 8, "nonagon": 9, "decagon": 10, "rhombus": 4, "trapezium": 4,
}  # fmt: skip
SIDE_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
SIDE_QUESTIONS = (
    "How many {k} does {s} have?", "How many {k} has {s}?", "How many {k} are there in {s}?",
    "Tell me how many {k} {s} has.", "{S} has how many {k}?", "Count the {k} of {s}.",
)  # fmt: skip
SHAPE_BY_SIDES = ("Which shape has {n} sides?", "What shape has {n} sides?", "What has {n} sides?",
                  "What do you call a shape with {n} sides?",
                  "Name a shape with {n} sides.")  # fmt: skip
SHAPE_NAMES = {3: "triangle", 4: "square", 5: "pentagon", 6: "hexagon", 7: "heptagon",
               8: "octagon", 9: "nonagon", 10: "decagon"}  # fmt: skip
SHAPE_OF = {
    "a ball": "sphere", "a coin": "circle", "a door": "rectangle", "a dice": "cube",
    "an egg": "oval", "a wheel": "circle", "a book": "rectangle", "a chessboard": "square",
    "a party hat": "cone", "a tin can": "cylinder", "a honeycomb cell": "hexagon",
    "a plate": "circle", "the moon": "sphere", "a slice of pizza": "triangle",
    "an orange": "sphere", "a stop sign": "octagon", "a window": "rectangle", "the sun": "sphere",
    "a brick": "box",
}  # fmt: skip
SHAPE_QUESTIONS = (
    "What shape is {x}?", "Which shape is {x}?", "What is the shape of {x}?", "What shape has {x}?",
    "Tell me the shape of {x}.", "Do you know what shape {x} is?",
)  # fmt: skip
RAINBOW = "red, orange, yellow, green, blue, indigo and violet"
RAINBOW_QUESTIONS = (
    "What are the colours of the rainbow?", "Which colours are in the rainbow?",
    "Name the colours of the rainbow.", "List the colours of the rainbow.",
    "Tell me the rainbow colours.", "What colors are in a rainbow?", "What colour is a rainbow?",
    "List the rainbow colors.", "How many colours has the rainbow?",
)  # fmt: skip
THINGS_OF = {c: [x for x, colour in COLOUR_OF.items() if colour == c] for c in COLOURS}
NAME_QUESTIONS = (
    "Name three {c} things.", "What things are {c}?", "Tell me three things that are {c}.",
    "What is {c}?", "Give me three {c} things.", "Can you name something {c}?",
    "Show me {c} things.",
)  # fmt: skip


def shape_must(word: str) -> dict[str, object]:
    """Expect this shape and no other."""
    return {"kind": "words", "must": [word], "group": "shapes", "may": []}


def draw_colour(rng: Random) -> Exchange:
    """Ask the colour of a thing, sometimes as a yes-or-no question."""
    thing, colour = rng.choice(tuple(COLOUR_OF.items()))
    expect = {"kind": "words", "must": [colour], "group": "colours", "may": ["orange"]}
    if "orange" not in thing:
        expect["may"] = []
    if rng.random() < 0.2:
        guess = rng.choice((colour, rng.choice(COLOURS)))
        question = f"Is {thing} {guess}?"
        reply = (
            f"Yes, {thing} is **{colour}**." if guess == colour else f"No, {thing} is **{colour}**."
        )
        expect["must"] = [colour, "yes" if guess == colour else "no"]
    else:
        question = rng.choice(COLOUR_QUESTIONS).format(x=thing)
        reply = rng.choice(COLOUR_REPLIES).format(x=thing, X=capital(thing), c=colour)
    return exchange("colours", vary(question, rng), reply, expect=expect, topic="colour")


def draw_mix(rng: Random) -> Exchange:
    """Ask what two paints make."""
    pair, result = rng.choice(tuple(MIXES.items()))
    a, b = pair if rng.random() < 0.5 else pair[::-1]
    reply = rng.choice((
        f"{capital(a)} and {b} make **{result}**.",
        f"Stir {a} and {b} together and you get **{result}**.",
    ))  # fmt: skip
    expect = {"kind": "words", "must": [result], "group": "colours", "may": [a, b]}
    prompt = vary(rng.choice(MIX_QUESTIONS).format(a=a, b=b), rng)
    return exchange("colours", prompt, reply, expect=expect, topic="mix")


def draw_sides(rng: Random) -> Exchange:
    """Ask how many sides or corners a shape has, or which shape has so many."""
    if rng.random() < 0.35:
        n, shape = rng.choice(tuple(SHAPE_NAMES.items()))
        number = rng.choice((str(n), SIDE_WORDS[n]))
        reply = rng.choice((
            f"{capital(with_article(shape))} has {SIDE_WORDS[n]} sides.",
            f"That is **{with_article(shape)}**: it has {SIDE_WORDS[n]} sides.",
        ))  # fmt: skip
        prompt = vary(rng.choice(SHAPE_BY_SIDES).format(n=number), rng)
        return exchange("colours", prompt, reply, expect=shape_must(shape), topic="sides")
    kind = rng.choice(("sides", "sides", "corners"))
    shape, n = rng.choice((*SIDES.items(), ("circle", 0)))
    name = with_article(shape)
    reply = f"{capital(name)} has **{SIDE_WORDS[n]} {kind}**."
    if n == 0:
        reply += " It is round all the way."
    expect = {"kind": "has_text", "text": f"{name} has {SIDE_WORDS[n]} {kind}"}
    question = rng.choice(SIDE_QUESTIONS).format(k=kind, s=name, S=capital(name))
    return exchange("colours", vary(question, rng), reply, expect=expect, topic="sides")


def draw_shape(rng: Random) -> Exchange:
    """Ask the shape of a thing."""
    thing, shape = rng.choice(tuple(SHAPE_OF.items()))
    reply = rng.choice((
        f"{capital(thing)} has the shape of **{with_article(shape)}**.",
        f"It is **{with_article(shape)}**.",
    ))  # fmt: skip
    prompt = vary(rng.choice(SHAPE_QUESTIONS).format(x=thing), rng)
    return exchange("colours", prompt, reply, expect=shape_must(shape), topic="shape")


def draw_rainbow(rng: Random) -> Exchange:
    """Ask for the rainbow."""
    listed = "\n".join(
        f"{i}. {c}" for i, c in enumerate(RAINBOW.replace(" and", ",").split(", "), 1)
    )
    question = rng.choice(RAINBOW_QUESTIONS)
    if question.startswith("List"):
        reply = f"The colours of the rainbow:\n\n{listed}"
    else:
        reply = f"The rainbow has seven colours: {RAINBOW}."
    must = ["red", "orange", "yellow", "green", "blue", "indigo", "violet"]
    expect = {"kind": "words", "must": must, "group": "colours", "may": []}
    return exchange("colours", vary(question, rng), reply, expect=expect, topic="rainbow")


def draw_named(rng: Random) -> Exchange:
    """Ask for things of one colour."""
    colour = rng.choice([c for c in COLOURS if len(THINGS_OF[c]) >= 3])
    things = rng.sample(THINGS_OF[colour], 3)
    reply = f"Here are three {colour} things: {things[0]}, {things[1]} and {things[2]}."
    expect = {"kind": "things", "colour": colour, "things": THINGS_OF[colour], "count": 3}
    prompt = vary(rng.choice(NAME_QUESTIONS).format(c=colour), rng)
    return exchange("colours", prompt, reply, expect=expect, topic="named")


DRAWS = (draw_colour, draw_colour, draw_colour, draw_mix, draw_sides, draw_sides, draw_shape,
         draw_rainbow, draw_named)  # fmt: skip


def draw(rng: Random) -> Exchange:
    """Draw a question about colours or shapes."""
    return rng.choice(DRAWS)(rng)


def follow_up(previous: Exchange, rng: Random) -> Exchange | None:
    """Ask about one more thing: "And a lemon?"."""
    if previous.topic != "colour" or previous.prompt.lower().startswith("is "):
        return None
    thing, colour = rng.choice(tuple(COLOUR_OF.items()))
    expect = {"kind": "words", "must": [colour], "group": "colours", "may": []}
    prompt = rng.choice(("And {x}?", "What about {x}?", "And what colour is {x}?")).format(x=thing)
    reply = f"{capital(thing)} is **{colour}**."
    return exchange("colours", vary(prompt, rng), reply, expect=expect, topic="colour")
