"""7 → 8: a chunk entry may say where submodules come from; what said so before and was ignored becomes a comment."""

from __future__ import annotations

from lithify.definitions.migration.draft import Draft


def lift(draft: Draft) -> None:
    """Change nothing that :mod:`~lithify.definitions.migration.ignored` has not."""
