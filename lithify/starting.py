"""Imported first by the program: what makes its start shorter.

msgspec asks typing_extensions first for what Python's own typing has as well; to load that takes a fifth of each start.
"""

from __future__ import annotations

import sys

if "msgspec" not in sys.modules and "typing_extensions" not in sys.modules:
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]
    try:
        import msgspec as msgspec
    finally:
        del sys.modules["typing_extensions"]
