"""What every command gets: where it was started, the settings in force, and where messages go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lithify.cli.messages import Messages
from lithify.config import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One run of one command."""

    cwd: Path
    """Where it was started, or what ``-C`` says."""
    environment: Mapping[str, str]
    settings: Settings
    messages: Messages
    inner_command: tuple[str, ...] = ()
    """What stands behind ``--``, for commands that run another."""
