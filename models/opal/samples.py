"""Draw the sample pictures of the page: held-out ones, with two to five things.

python -m models.opal.samples
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .world import Picture, picture_at, render
from .world.pictures import MAX_THINGS

FOLDER = Path(__file__).parent / "samples"
SEED = 7
SIZE = 384  # pixels; a picker shows them smaller


def sample_pictures() -> Iterator[tuple[str, Picture]]:
    """(name of the file, picture): the first of each number of things."""
    for number in range(2, MAX_THINGS + 1):
        index = 0
        while len((picture := picture_at(SEED, index, held_out=True)).things) != number:
            index += 1
        yield f"{number}-shapes.png", picture


def main() -> None:
    """Write the files."""
    from PIL import Image

    FOLDER.mkdir(exist_ok=True)
    for name, picture in sample_pictures():
        Image.fromarray(render(picture, SIZE)).save(FOLDER / name, optimize=True)


if __name__ == "__main__":
    main()
