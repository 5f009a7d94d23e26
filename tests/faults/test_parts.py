"""Every part of the bench that is named is there."""

from __future__ import annotations

from tests.faults.parts import PARTS, part


def test_every_part_is_a_function() -> None:
    assert all(callable(part(name)) for name in PARTS)
