"""``script/faults``: runs the parts of the bench in their long form and shows what came of them."""

from __future__ import annotations

import argparse
import json
import math
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.parts import PARTS, Extent, Tally, part


def main() -> int:
    """Return 0 where nothing went wrong, else 1."""
    options = _options()
    seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    say(f"seed {seed}")
    failed = False
    results = {}
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in options.only or PARTS:
        folder = Path(tempfile.mkdtemp(prefix=f"lithify-faults-{name}-", dir=options.folder))
        began = time.monotonic()
        tally = part(name)(
            Extent(
                folder=folder,
                kills=options.kills,
                minutes=options.minutes,
                most_minutes=options.at_most,
                seed=seed,
                say=lambda text, name=name: say(f"{name}: {text}"),
            )
        )
        tally.figures["seconds"] = round(time.monotonic() - began, 1)
        print(_text(name, tally), flush=True)
        results[name] = {
            "outcomes": dict(sorted(tally.outcomes.items())),
            "failures": tally.failures,
            "figures": tally.figures,
        }
        failed = failed or bool(tally.failures)
        if tally.failures:
            say(f"{name}: its folder stays for a look: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if options.json is not None:
        options.json.write_text(json.dumps({"seed": seed, "parts": results}, indent=2) + "\n")
    return int(failed)


def say(text: str) -> None:
    """Show a line of progress, with the time."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


def _text(name: str, tally: Tally) -> str:
    lines = [f"{name}: {len(tally.failures)} failures in {tally.figures['seconds']} s"]
    lines += [f"  {count:6}  {what}" for what, count in sorted(tally.outcomes.items())]
    lines += [f"  {what}: {value}" for what, value in tally.figures.items() if what != "seconds"]
    lines += [f"  FAILED {failure}" for failure in tally.failures]
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="script/faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="kills in all (1000)")
    parser.add_argument("--minutes", type=float, default=10, help="minutes of commands in company (10)")
    parser.add_argument(
        "--at-most", type=float, default=math.inf, metavar="MINUTES", help="end a part that counts after that"
    )
    parser.add_argument("--only", action="append", choices=list(PARTS), help="one part; may be repeated")
    parser.add_argument("--seed", type=int, help="do what an earlier run did")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="where to work (/var/tmp)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
