"""Short stories: a hero, a thing, a trouble, a friend, and an end."""

from __future__ import annotations

from random import Random

from .exchange import Exchange, exchange, vary, with_article
from .plots import ENDINGS, OPENINGS, PLOTS

HEROES = {
    "fox": "Fenn", "mouse": "Mila", "bear": "Bruno", "rabbit": "Ruby", "owl": "Olive",
    "cat": "Cleo", "dog": "Dot", "duck": "Dilly", "frog": "Fred", "hedgehog": "Hazel",
    "squirrel": "Suki", "snail": "Sam", "turtle": "Tilda", "bee": "Bea", "ant": "Anton",
    "whale": "Wanda", "dragon": "Drago", "knight": "Nils", "princess": "Pia", "prince": "Piet",
    "king": "Karl", "queen": "Quinn", "wizard": "Willow", "witch": "Wilma", "robot": "Rollo",
    "pirate": "Petra", "sailor": "Silas", "baker": "Bella", "farmer": "Finn", "gardener": "Greta",
    "girl": "Gwen", "boy": "Bo", "giant": "Gus", "ghost": "Gil", "fairy": "Faye", "elf": "Elio",
    "penguin": "Penny", "elephant": "Ella", "lion": "Leo", "tiger": "Tara", "monkey": "Momo",
    "horse": "Hugo", "cow": "Clara", "pig": "Paula", "sheep": "Shila", "goat": "Gilbert",
    "hen": "Henny", "goose": "Gosia", "crow": "Cora", "swan": "Sven", "wolf": "Wanja",
    "deer": "Dora", "badger": "Basil", "otter": "Otto", "beaver": "Bertha", "mole": "Max",
    "spider": "Spiro", "butterfly": "Bettina", "fish": "Flip", "crab": "Carlo", "seal": "Selma",
    "cloud": "Cloe", "star": "Stella", "stone": "Stan", "tree": "Theo", "snowman": "Sno",
    "clown": "Coco", "painter": "Pablo", "doctor": "Dina", "teacher": "Tom", "unicorn": "Una",
    "kitten": "Kit", "puppy": "Pip", "bird": "Birdie", "astronaut": "Astrid", "computer": "Chip",
    "child": "Charlie", "troll": "Trudi", "pebble": "Pebble", "lizard": "Liz",
}  # fmt: skip
THINGS = {
    "light": ("lantern", "candle", "lamp", "firefly jar", "torch", "little star"),
    "music": ("drum", "flute", "bell", "violin", "trumpet", "piano", "guitar", "whistle", "harp"),
    "travel": ("kite", "balloon", "boat", "hat", "umbrella", "paper plane", "feather", "ship",
               "bicycle", "scarf", "sail", "raft"),
    "food": ("cake", "apple", "pie", "loaf of bread", "pancake", "honey pot", "pear", "cookie",
             "soup", "pumpkin", "strawberry", "pizza"),
    "treasure": ("key", "map", "button", "book", "ring", "coin", "stone", "box", "mirror", "clock",
                 "letter", "shell", "crown", "cup", "spoon", "blanket", "seed", "teapot", "shoe",
                 "pencil", "flower", "ball", "rope", "ladder", "doll", "basket", "pearl", "egg",
                 "wheel", "pillow", "brush", "marble", "compass", "watch"),
}  # fmt: skip
CLASS_OF = {thing: kind for kind, things in THINGS.items() for thing in things}
PLACES = ("a quiet valley", "a green forest", "a village by the sea", "a town on a hill",
          "a garden full of roses", "a house under the old oak", "a land of soft snow",
          "a harbour full of boats", "a meadow by the river",
          "the tall blue mountains")  # fmt: skip
TRAITS = ("small", "curious", "brave", "shy", "cheerful", "gentle", "sleepy", "clever", "kind")
HELPERS = ("wise old owl", "tiny ant", "friendly snail", "grey goose", "young hare", "funny crow",
           "quiet mole", "little wren", "round hedgehog", "old turtle")  # fmt: skip

ABOUT_BOTH = (
    "Tell me a story about {h} and {t}.", "Tell a story about {h} and {t}.", "Story: {h} and {t}.",
    "A story about {h} and {t}, please.", "Can you tell me a story about {h} and {t}?",
    "Write a short story about {h} and {t}.", "I want a story about {h} with {t}.",
    "Please tell me a story about {h} who has {t}.", "Make up a story with {h} and {t}.",
    "Once upon a time there was {h} with {t}. What happened?", "A bedtime story about {h} and {t}.",
    "Write a story about {h} and {t}.", "Could you tell a tale of {h} and {t}?",
)  # fmt: skip
ABOUT_HERO = (
    "Tell me a story about {h}.", "A story about {h}, please.", "Tell a story about {h}.",
    "Write a story about {h}.", "Do you know a story about {h}?", "I want a story about {h}.",
    "Can you tell me a story with {h}?", "Make up a story about {h}.", "A bedtime story with {h}.",
)  # fmt: skip
ABOUT_NOTHING = (
    "Tell me a story.", "A story, please.", "Can you tell me a story?", "Tell a story.",
    "I would like a story.", "Write a short story.", "Tell me a bedtime story.", "Story time!",
    "Do you know a story?", "A short story please.", "Make up a story.", "I want to hear a story.",
    "Tell me a fairy tale.", "Tell me another story.", "Story please",
)  # fmt: skip
MORE = ("Another one, please.", "Another story, please.", "Tell me another one.", "One more!",
        "Another one!", "Again!", "One more story, please.", "And another?", "More!")  # fmt: skip
ONSETS = ("b", "bl", "d", "dr", "f", "fl", "g", "gr", "k", "l", "m", "n", "p", "pl", "r", "s", "sn",
          "st", "t", "tr", "v", "w", "z", "ch", "sh", "qu", "j", "h", "c", "cr")  # fmt: skip
VOWELS = ("a", "e", "i", "o", "u", "oo", "ee", "ai", "ou", "ea")
CODAS = ("", "b", "ck", "g", "l", "m", "n", "p", "r", "t", "x", "mp", "nd", "rt", "ffe", "se", "ne")


def invented_word(rng: Random) -> str:
    """Make up a noun, so that the model learns to copy nouns it has never met."""
    syllables = rng.choice((1, 2, 2, 3))
    return "".join(rng.choice(ONSETS) + rng.choice(VOWELS) for _ in range(syllables)) + rng.choice(
        CODAS
    )


def tell(hero: str, thing: str, rng: Random) -> str:
    """Tell one story about this hero and this thing."""
    words = {
        "hero": hero, "thing": thing, "name": HEROES.get(hero, "Pim"), "place": rng.choice(PLACES),
        "a_hero": with_article(hero), "a_thing": with_article(thing),
        "a_trait_hero": f"{with_article(rng.choice(TRAITS))} {hero}", "helper": rng.choice(HELPERS),
    }  # fmt: skip
    words["a_helper"] = with_article(words["helper"])
    plot = rng.choice(PLOTS[CLASS_OF.get(thing, "treasure")] + PLOTS["any"])
    parts = (rng.choice(OPENINGS), *plot, rng.choice(ENDINGS) + " **The end.**")
    body = "\n\n".join(part.format(**words) for part in parts)
    return f"**The {hero} and the {thing}**\n\n{body}"


def story(prompt: str, hero: str | None, thing: str | None, rng: Random) -> Exchange:
    """Answer a wish for a story; what the wish leaves open, chance decides."""
    chosen_hero = hero or rng.choice(tuple(HEROES))
    chosen_thing = thing or rng.choice(tuple(CLASS_OF))
    while chosen_thing == chosen_hero:
        chosen_thing = rng.choice(tuple(CLASS_OF))
    expect = {"kind": "story", "hero": hero, "thing": thing}
    reply = tell(chosen_hero, chosen_thing, rng)
    return exchange("stories", vary(prompt, rng), reply, expect=expect, topic="story")


def draw(rng: Random) -> Exchange:
    """Draw a wish for a story."""
    kind = rng.random()
    if kind < 0.15:
        return story(rng.choice(ABOUT_NOTHING), None, None, rng)
    hero = rng.choice(tuple(HEROES))
    if kind < 0.35:
        return story(rng.choice(ABOUT_HERO).format(h=with_article(hero)), hero, None, rng)
    thing = rng.choice(tuple(t for t in CLASS_OF if t != hero))
    wish = rng.choice(ABOUT_BOTH).format(h=with_article(hero), t=with_article(thing))
    return story(wish, hero, thing, rng)


def draw_invented(rng: Random) -> Exchange:
    """Draw a wish about a hero or a thing with a made-up name (training only)."""
    hero, thing = rng.choice(tuple(HEROES)), rng.choice(tuple(CLASS_OF))
    if rng.random() < 0.6:
        hero = invented_word(rng)
    if hero in HEROES or rng.random() < 0.5:
        thing = invented_word(rng)
    if rng.random() < 0.3:
        wish = rng.choice(ABOUT_HERO).format(h=with_article(hero))
        return story(wish, hero, None, rng)
    wish = rng.choice(ABOUT_BOTH).format(h=with_article(hero), t=with_article(thing))
    return story(wish, hero, thing, rng)


def follow_up(previous: Exchange, rng: Random) -> Exchange:
    """Ask for one more."""
    drawn = story(rng.choice(MORE), None, None, rng)
    return Exchange("stories", drawn.prompt, drawn.reply, drawn.expect, False, "story")
