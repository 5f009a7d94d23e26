"""Writes the generated pages of the manual, or says which are stale."""

from __future__ import annotations

import sys
from pathlib import Path

from docs.generator.pages import PAGES, stale_pages

ROOT = Path(__file__).resolve().parent.parent.parent


def main(arguments: list[str]) -> int:
    """Write all pages; with ``--check``, write none and fail where one is stale."""
    if arguments == ["--check"]:
        stale = stale_pages(ROOT)
        for name in stale:
            sys.stderr.write(f"{name} is stale: run script/docs\n")
        return 1 if stale else 0
    for name, made in PAGES.items():
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(made(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
