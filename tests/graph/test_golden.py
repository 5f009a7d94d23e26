from __future__ import annotations

import json

import pytest

from tests.graph.golden_cases import CASES
from tests.graph.renew_golden import FOLDER, text_of


@pytest.mark.parametrize("case", CASES)
def test_no_key_changes_unnoticed(case: str) -> None:
    expected = json.loads((FOLDER / f"{case}.json").read_text(encoding="utf-8"))
    actual = json.loads(text_of(case))
    different = [name for name in expected.keys() | actual.keys() if expected.get(name) != actual.get(name)]
    for name in sorted(different):
        print(f"{case}: {name}\n  expected {expected.get(name)}\n  actual   {actual.get(name)}")
    assert not different, (
        "keys changed; if they must: python -m tests.graph.renew_golden, and raise inputs.FORMAT"
    )


def test_every_key_is_another() -> None:
    keys = [
        one["key"] for case in CASES for one in json.loads((FOLDER / f"{case}.json").read_text()).values()
    ]
    assert len(keys) == len(set(keys))
