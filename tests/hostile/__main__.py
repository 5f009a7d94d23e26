"""``python -m tests.hostile [--json] [--long] [PART[:NAME]]...``: plays the cases and shows what came of them."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

from msgspec.structs import asdict

from tests.hostile.bench import Cases, play, quick_folder, shown, tell

PARTS = ("archives", "sources_of_git", "texts", "installed")


def cases_of(part: str, *, long: bool = False) -> Cases:
    """Return the cases of a part."""
    module = importlib.import_module(f"tests.hostile.{part}")
    found: Cases = {**module.CASES, **(getattr(module, "LONG", {}) if long else {})}
    return found


def main() -> int:
    """Return 0 where all cases came out as they must."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--long", action="store_true", help="the big ones too: a million files")
    parser.add_argument("--folder", type=Path, help="where to work (in memory, where that will do)")
    parser.add_argument("parts", nargs="*", metavar="PART[:NAME]", default=PARTS)
    options = parser.parse_args()
    count = wrong = 0
    results = {}
    for given in options.parts:
        part, _, wanted = given.partition(":")
        verdicts = play(
            cases_of(part, long=options.long),
            options.folder or quick_folder(),
            lambda name, wanted=wanted: wanted in name,  # type: ignore[misc]
        )
        count += len(verdicts)
        wrong += sum(bool(verdict.wrong) for verdict in verdicts.values())
        results[part] = {name: asdict(verdict) for name, verdict in verdicts.items()}
        if not options.json:
            tell(shown(part, verdicts))
    tell(json.dumps(results) if options.json else f"{count} cases, {wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
