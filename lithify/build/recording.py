"""What a commit says of how it was made, from what its build was made with."""

from __future__ import annotations

import time
from collections.abc import Mapping

from lithify import __version__
from lithify.build.compiler_cache import Usage
from lithify.build.metadata import Run
from lithify.build.workshop import Workshop
from lithify.staging.sandbox import describe_limits


def run_of(
    workshop: Workshop,
    *,
    seconds: Mapping[str, float],
    peak_memory: int | None,
    started_at: int,
    log: str,
    compiling: Usage | None = None,
) -> Run:
    """Return the record of a build that ends now; ``log``: the digest of its log."""
    return Run(
        seconds=seconds,
        peak_memory=peak_memory,
        sandbox=workshop.method.describe(),
        limits=describe_limits(),
        weaknesses=workshop.weaknesses,
        lithify_version=__version__,
        started_at=started_at,
        built_at=int(time.time()),
        builder=workshop.builder,
        log=log,
        compiler_cache=None if compiling is None else (compiling.hits, compiling.misses),
    )
