from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.inside import folder_of, make_ordinary_user


@pytest.fixture(params=["as we are", "ordinary user"])
def who(request: pytest.FixtureRequest) -> str | None:
    """Both who may build: whoever runs the tests, and an ordinary user."""
    return make_ordinary_user() if request.param == "ordinary user" else None


@pytest.fixture
def folder(who: str | None) -> Iterator[Path]:
    with folder_of(who) as path:
        yield path
