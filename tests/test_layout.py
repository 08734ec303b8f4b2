from __future__ import annotations

from pathlib import Path

import pytest

from webgemma import layout
from webgemma.errors import ConfigError, FormatError, UnsupportedError

INDEX = "{site}/models/index.json: "
AGAIN = " Build the site again."


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("{", FormatError, INDEX + "got text that is not JSON." + AGAIN),
        ("[" * 100_000, FormatError, INDEX + "got text that is not JSON." + AGAIN),
        ("[]", FormatError, INDEX + "got no list of models." + AGAIN),
        ('{"models": [{}]}', FormatError, INDEX + "got no list of models." + AGAIN),
        (
            '{"version": 9, "models": []}',
            UnsupportedError,
            INDEX + "got version 9, expected 1. Build the site again with this webgemma.",
        ),
        (
            '{"version": 1, "models": []}',
            ConfigError,
            "{site}: got model None, expected one of: none there.",
        ),
        (
            '{"version": 1, "models": [{"id": "../x", "name": ""}]}',
            ConfigError,
            "model id: got '../x', expected up to 64 of a-z, 0-9, '.', '_' and '-', starting with "
            "a letter or digit. Choose another with --model-id.",
        ),
    ],
)
def test_a_broken_index_is_one_error(
    tmp_path: Path, content: str, error: type[Exception], message: str
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/index.json").write_text(content)
    with pytest.raises(error) as caught:
        layout.find_model(tmp_path)
    assert str(caught.value) == message.format(site=tmp_path)


def test_a_folder_that_is_no_site_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(FormatError) as caught:
        layout.find_model(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: got no models/index.json, expected a site that webgemma built. "
        f"Build one with: webgemma build MODEL -o {tmp_path}"
    )
    with pytest.raises(FormatError) as caught:
        layout.find_model(tmp_path / "x")
    assert str(caught.value) == (
        f"{tmp_path / 'x'}: got no such folder, expected a site that webgemma built."
    )


def test_a_model_is_found_by_its_id_or_is_the_only_one(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    index = tmp_path / "models/index.json"
    index.write_text('{"version": 1, "models": [{"id": "a", "name": "A"}]}')
    assert layout.find_model(tmp_path) == tmp_path / "models/a"
    index.write_text(
        '{"version": 1, "models": [{"id": "a", "name": "A"}, {"id": "b", "name": "B"}]}'
    )
    assert layout.find_model(tmp_path, "b") == tmp_path / "models/b"
    with pytest.raises(ConfigError, match=r"got a site of 2 models, .*: a, b"):
        layout.find_model(tmp_path)
    with pytest.raises(ConfigError) as caught:
        layout.find_model(tmp_path, "c")
    assert str(caught.value) == f"{tmp_path}: got model 'c', expected one of: a, b."


def test_a_manifest_may_not_name_files_outside(tmp_path: Path) -> None:
    (tmp_path / "webgemma.json").write_text('{"version": 1, "files": {"../../etc/x": {}}}')
    with pytest.raises(FormatError) as caught:
        layout.read_manifest(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/webgemma.json: got file name '../../etc/x', expected letters, digits and ._+- "
        "in components that do not start with a dot. The folder was not written by webgemma."
    )
