"""The grading script: its files for other runners, and the answers of transformers and webgemma."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from models.opal import grade
from models.opal.cases import DRAWN_SIZE, held_out_cases
from models.opal.samples import FOLDER, SIZE, sample_pictures
from models.opal.world import render


def run_grade(monkeypatch, *arguments) -> int:
    monkeypatch.setattr(sys, "argv", ["grade", *map(str, arguments)])
    return grade.main()


def test_another_runner(monkeypatch, tmp_path, capsys):
    image = pytest.importorskip("PIL.Image")
    assert run_grade(monkeypatch, "--pictures", tmp_path, "--number", 4) == 0
    rows = json.loads((tmp_path / "prompts.json").read_text())
    cases = held_out_cases(4)
    truth = [question for _, questions in cases for question in questions]
    assert [(row["id"], row["prompt"], row["task"]) for row in rows] == [
        (i, question.prompt, question.task) for i, question in enumerate(truth)
    ]
    for row, (picture, _) in zip(rows[::3], cases, strict=True):
        with image.open(tmp_path / row["picture"]) as file:
            np.testing.assert_array_equal(np.array(file), render(picture, DRAWN_SIZE))
    answers = [{"id": i, "answer": question.answer} for i, question in enumerate(truth)]
    path = tmp_path / "answers.json"
    path.write_text(json.dumps(answers))
    assert run_grade(monkeypatch, "--answers", path, "--number", 4, "--show") == 0
    table = capsys.readouterr().out
    assert table.count("100.0 %") == 5
    assert " -> " not in table
    path.write_text(json.dumps(answers[:2]))
    assert run_grade(monkeypatch, "--answers", path, "--number", 4, "--show") == 1
    assert " -> ''" in capsys.readouterr().out


def test_samples_are_what_the_script_draws():
    image = pytest.importorskip("PIL.Image")
    for name, picture in sample_pictures():
        with image.open(FOLDER / name) as file:
            drawn = np.array(file).astype(int)
        assert np.abs(drawn - render(picture, SIZE)).max() <= 1  # libraries round differently


@pytest.mark.gpu
@pytest.mark.references
@pytest.mark.slow
def test_webgemma_answers_as_transformers_does(tmp_path):
    """Of a model with its first weights: no sense, but the same tokens."""
    from models.opal.export import write_checkpoint
    from models.opal.model import make_config, make_model
    from webgemma.build import build_site

    model = make_model(make_config(), seed=4)
    write_checkpoint(tmp_path / "opal", model)
    build_site(tmp_path / "opal", tmp_path / "site", model_id="opal")
    cases = held_out_cases(2)
    theirs = grade.transformers_answers(tmp_path / "opal", cases)
    ours = list(grade.webgemma_answers(tmp_path / "site", cases))
    assert ours == theirs
    assert all(theirs)
