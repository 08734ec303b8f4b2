"""Prompts and answers about pictures made by hand, and the tokenizer that writes them."""

from __future__ import annotations

import json
from random import Random

import pytest
import tokenizers

from models.opal.judge import Tally, judge, right_boxes, right_words
from models.opal.tokenizer_json import (
    BOS,
    CONTROL,
    EOS,
    FIRST_LOCATION,
    IMAGE,
    PAD,
    VOCAB_MULTIPLE,
    list_pieces,
    tokenizer_json,
)
from models.opal.world import (
    Box,
    Phrase,
    Picture,
    Question,
    Thing,
    caption,
    count_question,
    detect_question,
    location,
    matching,
    picture_at,
)
from webgemma.image.boxes import parse_boxes
from webgemma.tokenizer import Tokenizer
from webgemma.tokenizer.hugging_face import read_tokenizer_json

WHITE = (1.0, 1.0, 1.0)
WORDS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "black")
KIND_OF = {"circles": "circle", "rings": "ring", "squares": "square", "triangles": "triangle",
           "stars": "star", "crosses": "cross", "shapes": None}  # fmt: skip


def thing(name: str, x: float, y: float) -> Thing:
    colour, kind = name.split()
    return Thing(kind, colour, WHITE, x, y, 0.1, 0.0)


def picture(*things: Thing) -> Picture:
    return Picture(tuple(sorted(things, key=lambda t: t.x)), WHITE, WHITE)


THREE = picture(
    thing("red circle", 0.25, 0.5), thing("blue circle", 0.5, 0.25), thing("red star", 0.75, 0.5)
)


@pytest.mark.parametrize(
    ("things", "expected"),
    [
        ([thing("orange star", 0.5, 0.5)], "an orange star"),
        (
            [thing("red ring", 0.8, 0.5), thing("blue cross", 0.2, 0.4)],
            "a blue cross left of a red ring",
        ),
        (
            [thing("red ring", 0.4, 0.9), thing("blue cross", 0.5, 0.2)],
            "a blue cross above a red ring",
        ),
        (
            [thing("red ring", 0.4, 0.1), thing("blue cross", 0.5, 0.9)],
            "a red ring above a blue cross",
        ),
        (list(THREE.things), "a red circle, a blue circle and a red star"),
    ],
)
def test_captions(things, expected):
    drawn = picture(*things)
    asked = caption(drawn)
    assert (asked.task, asked.prompt, asked.answer) == ("caption", "caption en", expected)
    named = [f"{drawn.things[n].colour} {drawn.things[n].kind}" for n in asked.asked]
    places = [expected.index(name, sum(map(len, named[:i]))) for i, name in enumerate(named)]
    assert len(named) == len(things)
    assert places == sorted(places)  # in the order of the answer


@pytest.mark.parametrize(
    ("phrase", "plural", "number"),
    [
        (Phrase("red", "circle"), "red circles", 1),
        (Phrase(None, "circle"), "circles", 2),
        (Phrase("red", None), "red shapes", 2),
        (Phrase(None, None), "shapes", 3),
        (Phrase("green", "cross"), "green crosses", 0),
    ],
)
def test_phrases(phrase, plural, number):
    assert phrase.plural == plural
    assert len(matching(phrase, THREE.things)) == number


def test_locations_are_sixteenths_of_paligemmas():
    assert location(Box(0.25, 0.1, 0.5, 0.99)) == "<loc0256><loc0096><loc0512><loc1008>"
    box = THREE.things[0].box
    (parsed,) = parse_boxes(f"{location(box)} red circle")
    assert parsed.label == "red circle"
    drawn = Box(parsed.y_min, parsed.x_min, parsed.y_max, parsed.x_max)
    assert box.overlap(drawn) > 0.85


def test_questions_have_true_answers():
    """Every question of 400 pictures, against the things themselves."""
    rng = Random(1)
    counts, nothing = set(), 0
    for index in range(400):
        seen = picture_at(6, index, held_out=False)
        count = count_question(rng, seen)
        *_, noun = count.prompt.rstrip("?").split()
        colour = next((w for w in count.prompt.rstrip("?").split() if w in WORDS), None)
        kind = KIND_OF[noun]
        found = [t for t in seen.things if colour in (None, t.colour) and kind in (None, t.kind)]
        assert count.answer == str(len(found))
        counts.add(count.answer)
        detect = detect_question(rng, seen)
        label = detect.prompt.removeprefix("detect ")
        boxes = parse_boxes(detect.answer)
        nothing += not boxes
        expected = [t for t in seen.things if f"{t.colour} {t.kind}" == label]
        if label.split()[0] in WORDS and not label.endswith("shape"):
            assert len(boxes) == len(expected)
        for box, real in zip(boxes, expected, strict=False):
            drawn = Box(box.y_min, box.x_min, box.y_max, box.x_max)
            assert real.box.overlap(drawn) > 0.7
            assert box.label == label
        if not boxes:
            assert detect.answer == f"no {label}"
    assert counts == set("012345")
    assert 20 < nothing < 120


@pytest.fixture(scope="module")
def document() -> bytes:
    return json.dumps(tokenizer_json()).encode()


def all_texts() -> list[str]:
    rng = Random(2)
    pictures = [picture_at(9, i, held_out=bool(i % 2)) for i in range(300)]
    questions = [caption(p) for p in pictures]
    questions += [count_question(rng, p) for p in pictures]
    questions += [detect_question(rng, p) for p in pictures]
    return sorted({text for q in questions for text in (f"{q.prompt}\n", q.answer)})


def test_ids_of_the_control_tokens():
    pieces = list_pieces()
    assert (pieces[PAD], pieces[EOS], pieces[BOS], pieces[IMAGE]) == (
        "<pad>", "<eos>", "<bos>", "<image>",
    )  # fmt: skip
    assert pieces[FIRST_LOCATION + 1023] == "<loc1023>"
    assert len(pieces) == len(set(pieces))
    assert len(pieces) % VOCAB_MULTIPLE == 0


def test_every_word_is_one_token(document):
    tokenizer = tokenizers.Tokenizer.from_str(document.decode())
    for text in all_texts():
        encoded = tokenizer.encode(text, add_special_tokens=False)
        assert tokenizer.decode(encoded.ids, skip_special_tokens=False) == text
        spaced = text.replace("><", "> <").replace(" ; ", " ;").replace(";<", "; <")
        words = spaced.replace(",", " ,").replace("?", " ?").replace("\n", " \n").split(" ")
        assert len(encoded.ids) == len(words), encoded.tokens
        assert not set(encoded.tokens) & set(CONTROL)


def test_webgemma_gives_the_same_ids(document):
    theirs = tokenizers.Tokenizer.from_str(document.decode())
    ours = Tokenizer.from_json(json.dumps(read_tokenizer_json(document)).encode())
    for text in [*all_texts(), "a zebra? Grün!", "detect  redcircle", "<loc0001 <loc0001>"]:
        ids = theirs.encode(text, add_special_tokens=False).ids
        assert ours.encode(text) == ids, text
        assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=True)


def test_a_perfect_runner_and_a_useless_one():
    rng = Random(3)
    pictures = [picture_at(500, i, held_out=True) for i in range(60)]
    cases = [(p, [caption(p), count_question(rng, p), detect_question(rng, p)]) for p in pictures]
    perfect = judge(cases, [q.answer for _, questions in cases for q in questions])
    assert {name: tally.share for name, tally in perfect.items()} == dict.fromkeys(perfect, 1.0)
    useless = judge(cases, ["no idea"] * 180)
    assert {name: tally.share for name, tally in useless.items()} == dict.fromkeys(useless, 0.0)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("a red circle, a blue circle and a red star", (10, 10)),
        ("a red circle, a blue circle and a red ring", (9, 10)),
        ("a red circle, a blue circle", (6, 10)),
        ("a red circle, a blue circle and a red star and a red star", (10, 14)),
        ("", (0, 10)),
    ],
)
def test_words_of_a_caption(answer, expected):
    assert right_words("a red circle, a blue circle and a red star", answer) == expected


def test_boxes_need_a_half_and_a_partner():
    question = Question("detect", "detect circle", "unused", ())
    first, second, _ = (t.box for t in THREE.things)
    good = [f"{location(box)} circle" for box in (first, second)]
    # Both boxes are 0.2 wide: moved by 0.05 the overlap is 3/5, moved by 0.1 it is 1/3.
    near, far = (
        location(Box(first.y_min, first.x_min + by, first.y_max, first.x_max + by)) + " circle"
        for by in (0.05, 0.1)
    )
    for answer, expected in [
        (" ; ".join(good), (2, 2)),
        (" ; ".join(reversed(good)), (2, 2)),
        (f"{near} ; {good[1]}", (2, 2)),
        (f"{far} ; {good[1]}", (1, 2)),
        (good[0], (1, 2)),
        (f"{good[0]} ; {good[0]}", (1, 2)),
        (f"{good[0]} ; {good[1]} ; {good[1]}", (2, 3)),
        (good[0].replace("circle", "star"), (0, 2)),
        ("no circle", (0, 2)),
    ]:
        assert right_boxes(THREE, question, answer) == expected, answer


def test_a_box_where_nothing_is_is_wrong():
    question = Question("detect", "detect green ring", "no green ring", ())
    wrong = f"{location(THREE.things[0].box)} green ring"
    tallies = judge([(THREE, [question, question])], ["no green ring", wrong])
    assert (tallies["boxes"].right, tallies["boxes"].total) == (0, 1)
    assert (tallies["whole detections"].right, tallies["whole detections"].total) == (1, 2)
    assert tallies["counts"] == Tally()
