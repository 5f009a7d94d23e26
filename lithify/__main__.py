"""The program ``lithify``."""

from __future__ import annotations

import os
import sys

from lithify.cli.app import run


def main() -> None:
    """Run the command line and end with its exit status."""
    sys.exit(run(sys.argv[1:], dict(os.environ)))


if __name__ == "__main__":
    main()
