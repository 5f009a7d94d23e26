"""``lithify completion``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from lithify.cli.shells import SCRIPTS
from lithify.errors import UsageError


def command(shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, fish or zsh")]) -> None:
    """Print what makes a shell complete commands, options, and names of systems, chunks, strata, clusters and deployments.

    \b
    Examples:
      lithify completion bash >~/.local/share/bash-completion/completions/lithify
      source <(lithify completion bash)
      source <(lithify completion zsh)
      lithify completion fish | source
    """
    if shell not in SCRIPTS:
        raise UsageError(f"no completion for the shell {shell}", hints=[f"there is {', '.join(SCRIPTS)}"])
    sys.stdout.write(SCRIPTS[shell])
