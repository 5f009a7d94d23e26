"""``lithify print-architecture``."""

from __future__ import annotations

import sys

from lithify.staging.architecture import host_architecture


def command() -> None:
    """Print the architecture of this machine, as `arch` of a system names it.

    \b
    Examples:
      lithify print-architecture
    """
    sys.stdout.write(f"{host_architecture()}\n")
