"""2 → 3: the extension ``install-essential-files`` and the architecture armv5l came; what there was means the same."""

from __future__ import annotations

from lithify.definitions.migration.draft import Draft


def lift(draft: Draft) -> None:
    """Change nothing."""
