from __future__ import annotations

import importlib
import inspect

import pytest

import webgemma


def test_every_public_name_is_there_and_documented() -> None:
    for name in webgemma.__all__:
        value = getattr(webgemma, name)
        if name != "__version__":
            assert inspect.getdoc(value), name
    assert dir(webgemma) == webgemma.__all__ == sorted(webgemma.__all__)


def test_public_names_are_the_modules_own() -> None:
    for name, home in webgemma._HOMES.items():
        assert getattr(webgemma, name) is getattr(importlib.import_module(home), name)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError) as caught:
        _ = webgemma.bogus
    assert str(caught.value) == "module 'webgemma' has no attribute 'bogus'"
