"""3 → 4: ``install-files`` may overwrite symbolic links; that is for the extension, no definition says it."""

from __future__ import annotations

from lithify.definitions.migration.draft import Draft


def lift(draft: Draft) -> None:
    """Change nothing."""
