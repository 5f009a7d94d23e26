"""Write the golden keys anew: ``python -m tests.graph.renew_golden``. Look at what the diff says before it is committed.

A key that changed where no meaning did is a fault: every user builds everything again.
"""

from __future__ import annotations

import json
from pathlib import Path

from lithify.graph.canonical import canonical
from tests.graph.golden_cases import CASES, golden

FOLDER = Path(__file__).parent / "golden"


def text_of(case: str) -> str:
    """Return what a golden file holds."""
    plain = json.loads(canonical(golden(CASES[case]())))
    return json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    """Write all golden files."""
    FOLDER.mkdir(exist_ok=True)
    for case in CASES:
        (FOLDER / f"{case}.json").write_text(text_of(case), encoding="utf-8")


if __name__ == "__main__":
    main()
