"""What every command gets: where it was started, the settings in force, and where messages go."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from lithify.cli.messages import Messages
from lithify.config import Settings
from lithify.store.looking import Looking


class Invocation(Struct, frozen=True, kw_only=True):
    """One run of one command."""

    cwd: Path
    """Where it was started, or what ``-C`` says."""
    environment: Mapping[str, str]
    settings: Settings
    messages: Messages
    inner_command: tuple[str, ...] = ()
    """What stands behind ``--``, for commands that run another."""
    lookers: Looking | None = None
    """What looks at layers already."""
