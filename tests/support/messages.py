"""The text of an error, all of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest


def message_of(kind: type[Exception], call: Callable[[], object]) -> str:
    """The whole message of an error that `call` must raise, of exactly this kind."""
    with pytest.raises(kind) as error:
        call()
    assert type(error.value) is kind
    return str(error.value)
