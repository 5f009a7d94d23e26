"""The program ``lithify``."""

from __future__ import annotations

import gc
import os
import sys

from lithify.cli.app import run


def main() -> None:
    """Run the command line and end with its exit status."""
    gc.set_threshold(100_000, 50, 100)  # by default a fifth of a short run goes into looking for garbage
    sys.exit(run(sys.argv[1:], dict(os.environ)))


if __name__ == "__main__":
    main()
