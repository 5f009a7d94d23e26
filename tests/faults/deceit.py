"""Deceit: every hostile input of ``tests/hostile``, the big ones too, on a real file system."""

from __future__ import annotations

from tests.faults.parts import Extent, Tally
from tests.hostile.__main__ import PARTS, cases_of
from tests.hostile.bench import judge


def deceit(extent: Extent) -> Tally:
    """Play all cases; what is wrong with one is a failure."""
    tally = Tally(say=extent.say)
    slowest, biggest = 0.0, 0
    for name in PARTS:
        cases = cases_of(name, long=True)
        extent.say(f"{len(cases)} cases of {name}")
        for case_name, case in cases.items():
            verdict = judge(case, extent.folder)
            tally.check(not verdict.wrong, f"{name}:{case_name}: {verdict.wrong}")
            tally.outcomes["handled right" if case.refused is None else "refused with a clear error"] += 1
            slowest = max(slowest, verdict.processor_seconds)
            biggest = max(biggest, verdict.megabytes)
    tally.figures["hostile inputs"] = sum(tally.outcomes.values())
    tally.figures["most processor time of one (s)"] = round(slowest, 1)
    tally.figures["most memory of one process (MB)"] = biggest
    return tally
