"""A host tool is run where it reads the host's programs and the given paths, writes the given folders, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from msgspec.structs import replace

from lithify.process import Completed, ProgramFailed, run, tool_environment
from lithify.staging.bubblewrap import held, isolation, kernel_folders, scratch, variables

_PROGRAMS = ("usr", "bin", "sbin", "lib", "lib64", "lib32", "etc/alternatives", "etc/ld.so.cache")
_WITH_UMASK = ("sh", "-c", 'umask 022 && exec "$@"', "sh")
"""What a tool makes does not depend on the umask of who builds."""


def confined(
    argv: Sequence[str],
    *,
    writable: Sequence[Path] = (),
    readable: Sequence[Path] = (),
    shown: Mapping[str, Path] | None = None,
    cwd: Path | None = None,
    stdin: bytes | IO[bytes] = b"",
    timeout: float | None = None,
    expected: Sequence[int] | None = (0,),
) -> Completed:
    """Run a host tool; see :class:`lithify.process.Confined`.

    ``shown``: what it may read under another name, by that name from the root on.
    Raises :class:`ProgramFailed` for a status that is not ``expected``, and ``subprocess.TimeoutExpired``.
    """
    line = isolation()
    for name in _PROGRAMS:
        line += ["--ro-bind-try", f"/{name}", f"/{name}"]
    line += [*kernel_folders(), *scratch("/tmp")]
    for path in readable:
        line += ["--ro-bind", str(path), str(path)]
    for name, path in (shown or {}).items():
        line += ["--ro-bind", str(path), name]
    for path in writable:
        line += ["--bind", str(path), str(path)]
    line += [*variables(tool_environment()), "--chdir", str(cwd or "/")]
    with held(line) as (whole, passed):
        completed = run(
            [*whole, "--", *_WITH_UMASK, *argv], stdin=stdin, timeout=timeout, expected=None, pass_fds=passed
        )
    if expected is not None and completed.returncode not in expected:
        raise ProgramFailed(replace(completed, argv=tuple(argv)))
    return completed
