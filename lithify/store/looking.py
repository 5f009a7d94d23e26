"""What looks at kept checkouts ahead of their use, for those who only hand it on: a build with nothing to do loads no more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class Looking(Protocol):
    """Answers that are on their way; see :class:`lithify.store.lookers.Lookers`."""

    def look(self, layers: Path, digests: Sequence[str], processes: int) -> None:
        """Look at ``layers/<digest>`` of each digest that nobody looks at yet."""

    def found_whole(self, digest: str) -> int | None:
        """Return when the top of a layer changed that was found as it was made, nanoseconds since 1970; else None.

        Waits where it is being looked at.
        """

    def close(self) -> None:
        """End what still looks."""
