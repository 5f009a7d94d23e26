"""A shell in a chunk's staging area: as its build finds it, or as its failed build left it."""

from __future__ import annotations

from collections.abc import Sequence

from lithify.build.chunk import chunk_sandbox, step_environment
from lithify.build.laying_out import IMPORT, LaidOut, lay_out
from lithify.build.workshop import bench, failed_bench
from lithify.errors import LithifyError
from lithify.graph.model import STEPS
from lithify.schedule.realising import Undertaking, chunk_order, find_chunk
from lithify.staging.sandbox import run_interactive

SHELL = ("sh", "-i")


def run_shell(undertaking: Undertaking, name: str, *, failed: bool, argv: Sequence[str]) -> int:
    """Run a program (a shell where ``argv`` is empty) where the chunk is built, and return its exit status.

    Layers, folders and environment are those of the build's last step. With ``failed``, build folder and DESTDIR are what the
    last failed build left, and stay, and the environment is that of the step at which it failed. Raises
    :class:`LithifyError` where a dependency is not built, or nothing was left.
    """
    workshop = undertaking.workshop
    staged = {}
    for group in undertaking.keys.staged(name):
        for member in group.chunks:
            built = find_chunk(undertaking, member)
            if built is None:
                raise LithifyError(
                    f"{name} stages {member}, which is not built", hints=[f"lithify build SYSTEM {name}"]
                )
            staged[member] = built
    chunk = undertaking.graph.chunks[name]
    with bench(workshop, f"shell-{name}") as own, failed_bench(workshop.cache, name) as left:
        if failed and left is None:
            raise LithifyError(f"no failed build of {name} was kept", hints=[f"lithify shell {name}"])
        if failed and left is not None:
            destdir = left.staging / "inst"
            folder = destdir if chunk.build_system == IMPORT else left.scratch / "build"
            laid_out = LaidOut(build=folder, destdir=destdir, digest="")
        else:
            laid_out = lay_out(workshop, own, chunk, undertaking.pins_of(name))
        order = chunk_order(undertaking, name, staged, laid_out.digest)
        steps = [step for step, _ in chunk.commands]
        step = left.failed_step() if failed and left is not None else ""
        if step not in steps:  # nothing failed, or what came after the last command
            step = (steps or STEPS)[-1]
        with chunk_sandbox(workshop, own, order, laid_out) as sandbox:
            inside = sandbox.with_environment(
                {**step_environment(workshop, order, step), **sandbox.environment}
            )
            return run_interactive(inside, [*(argv or SHELL)])
