"""One hook before each durable step, so that a test can stop the program at every one of them.

Unarmed it costs one attribute check. A test reads the source for all points and kills a process at each.
"""

from __future__ import annotations

from collections.abc import Callable

_armed: Callable[[str], None] | None = None


def crash_point(name: str) -> None:
    """Call what :func:`arm` was given, if anything, with the name of the step that comes next or has just ended."""
    if _armed is not None:
        _armed(name)


def arm(action: Callable[[str], None] | None) -> None:
    """Call ``action`` at each crash point from now on; ``None`` disarms."""
    global _armed
    _armed = action
