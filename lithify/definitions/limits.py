"""How much a definitions file may hold."""

from __future__ import annotations

MAX_BYTES = 4 * 1024 * 1024
"""Largest file that is read."""
MAX_DEPTH = 100
"""Deepest nesting, aliases followed."""
MAX_VALUES = 200_000
"""Most values in a file, each alias counted as all that it stands for."""
MAX_FAULTS = 200
"""Most faults of a file that are told apart."""
