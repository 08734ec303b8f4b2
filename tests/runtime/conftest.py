"""Sites of the three small models with exact logits, built once."""

from __future__ import annotations

import pytest

from webgemma.build import build_site

NAMES = ("gemma-Q4_1", "gemma2-F16", "gemma2-Q4_K", "llama-Q4_0")


@pytest.fixture(scope="session")
def sites(fixtures, tmp_path_factory):
    """Name -> site folder."""
    folder = tmp_path_factory.mktemp("sites")
    for name in NAMES:
        build_site(fixtures / f"{name}.gguf", folder / name)
    return {name: folder / name for name in NAMES}
