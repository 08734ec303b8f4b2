"""The plots. Each has a beginning, a trouble, a friend and a way out.

`{name}` is the hero's name, `{hero}` and `{thing}` are the nouns asked for, `{a_helper}`
is a helper with its article. No pronouns for the hero: any hero fits any plot.
"""

from __future__ import annotations

OPENINGS = (
    "Once upon a time, in {place}, there lived {a_trait_hero} called {name}.",
    "In {place} there once lived {a_trait_hero}. Everyone called the {hero} {name}.",
    "Long ago, when the stars were still young, {a_trait_hero} named {name} lived in {place}.",
)
ENDINGS = (
    "And if you pass that way tonight, you can still see {name} smiling.",
    "That night {name} slept well and dreamed of the {thing}.",
    "From that day on, {name} was never lonely again.",
    "And ever since, {name} tells this story when the evenings grow long.",
)
PLOTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "light": (
        (
            "{name} owned {a_thing} that shone like a small sun. But one evening it went dark, and "
            "the way home was long.",
            '"Hold it close and think of something warm," said {a_helper}. '
            "{name} thought of soup and "
            "of summer, and the {thing} began to glow. The whole way home was golden.",
        ),
        (
            "One stormy night {name} put the {thing} in the window, just in case.",
            "Far out in the rain {a_helper} had lost the way. Then it saw the light! Soon the two "
            "of them sat by the fire, warm and dry, and the storm went to bed.",
        ),
    ),
    "music": (
        (
            "{name} loved to play the {thing}. But one morning it made no sound at all.",
            'Along came {a_helper} and looked inside. "Somebody is asleep in there!" It was a bee. '
            "The bee yawned, said sorry and flew away, and the {thing} sang again.",
        ),
        (
            "One night the wind howled so loudly that nobody could sleep.",
            "So {name} took the {thing} and played a slow, soft tune. First {a_helper} grew quiet, "
            "then the trees, and at last even the wind lay down to listen.",
        ),
    ),
    "travel": (
        (
            "{name} had {a_thing} and took it everywhere. One day a strong wind carried it away, "
            "over the hill and out of sight.",
            '"I saw where it landed!" called {a_helper}. Together they climbed the hill. There was '
            "the {thing}, resting in the top of an apple tree, and not even scratched.",
        ),
        (
            "{name} wanted to see where the river ends, and took {a_thing} along.",
            "On the way the {thing} got stuck between two rocks. Then {a_helper} came and pulled, "
            "and {name} pushed. Plop! By sunset they saw the sea, wide and shining.",
        ),
    ),
    "food": (
        (
            "One day {name} had {a_thing} and wanted to eat it all alone.",
            "Then {a_helper} came along, cold and very hungry. {name} thought for a moment, and "
            "then shared it. It was strange: half of it tasted twice as good.",
        ),
        (
            "{name} dreamed of the biggest {thing} in the world, and one morning there it was, as "
            "tall as a house.",
            'It was far too much for one. "Let us have a feast!" said {a_helper}. They invited '
            "everyone, and there was not one crumb left.",
        ),
    ),
    "treasure": (
        (
            "{name} had {a_thing} and loved it very much. One day it was gone. {name} looked under "
            "the bed, behind the door and even in the soup.",
            '"When did you last see it?" asked {a_helper}. {name} thought hard. '
            "The {thing} had been "
            "in the pocket all along! They laughed until the moon came up.",
        ),
        (
            "One morning {name} found {a_thing} in the grass, and did not know what it was for.",
            '{name} asked the river, but it only hurried by. "Perhaps it is for giving," said '
            "{a_helper}. So {name} gave the {thing} away, and won a friend for life.",
        ),
    ),
    "any": (
        (
            "{name} wished for {a_thing} more than anything. But there was none for miles around.",
            '"Then let us make one," said {a_helper}. They worked for three days. It came out a '
            "little crooked, but {name} thought it was the finest {thing} in the world.",
        ),
        (
            "One day {name} found {a_thing} with a note on it: please bring me home.",
            "{name} walked all day and asked at every door. At the last door stood {a_helper}, "
            "crying. How happy it was to see the {thing} again! They had tea and became friends.",
        ),
    ),
}
