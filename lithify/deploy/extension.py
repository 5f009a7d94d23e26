"""An extension of the definitions is run: a program, which gets folder and location as arguments and its values as variables.

What morph promised it holds: the root of the definitions is the working folder, ``UPGRADE`` is ``yes`` or ``no``,
``PYTHONPATH`` ends with the extension's own folder, ``TMPDIR`` is a folder of its own, and what it writes to the descriptor
``MORPH_LOG_FD`` goes to the log.
"""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from lithify.definitions.extensions import kind_of
from lithify.errors import DeployError, HostError
from lithify.events import Note, Report, Warned
from lithify.process import start
from lithify.staging.namespace import enter, enter_as_root, requirements


class Extension(Struct, frozen=True, kw_only=True):
    """A program of the definitions."""

    name: str
    """``NAME.KIND``, as the user wrote it."""
    path: Path
    folder: Path
    """Where it is run: the root of the definitions."""


def run_extension(
    extension: Extension,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    scratch: Path,
    report: Report,
) -> None:
    """Run an extension to its end, on our own standard input and output; ``scratch`` is an empty folder.

    One that is handed a folder is run where owners can be set: by root in a mount namespace, by an ordinary user in a user
    namespace, so no thread may have been started before. Raises :class:`DeployError` where it fails, or cannot be run.
    """
    argv = [*program_of(extension), *arguments]
    if kind_of(extension.name) != "check":
        _enter(report)
    reading, writing = os.pipe2(os.O_CLOEXEC)
    with open(reading, "rb", buffering=0) as log:
        with open(writing, "wb", buffering=0):
            variables = extension_variables(extension, environment, scratch, writing)
            child = start(
                argv, env=variables, cwd=extension.folder, stdin=0, stdout=1, stderr=2, pass_fds=[writing]
            )
        try:
            _relay(child, log.fileno(), extension.name, report)
        except KeyboardInterrupt:
            child.terminate()
            child.wait()
            raise
    if child.returncode != 0:
        raise DeployError(_ending(extension.name, child.returncode))


def extension_variables(
    extension: Extension, environment: Mapping[str, str], scratch: Path, log: int
) -> dict[str, str]:
    """Return the variables that an extension sees: the caller's, and what morph added to them."""
    paths = [environment.get("PYTHONPATH", ""), str(extension.path.parent)]
    return {
        "UPGRADE": "no",
        **environment,
        "PYTHONPATH": ":".join(path for path in paths if path),
        "TMPDIR": str(scratch),
        "MORPH_LOG_FD": str(log),
    }


def program_of(extension: Extension) -> list[str]:
    """Return what runs an extension, which need not be executable where its first line names an interpreter.

    Raises :class:`DeployError` where nothing can.
    """
    path = extension.path
    try:
        with path.open("rb") as file:
            first = file.readline(256)
    except OSError as error:
        raise DeployError(f"{extension.name} cannot be read: {error.strerror}") from error
    if first.startswith(b"#!"):
        interpreter, _, argument = os.fsdecode(first[2:]).strip().partition(" ")
        if not os.access(interpreter, os.X_OK):
            raise DeployError(
                f"{extension.name}: there is no program {interpreter}, which its first line names"
            )
        return [interpreter, *filter(None, [argument.strip()]), str(path)]
    if not os.access(path, os.X_OK):
        raise DeployError(
            f"{extension.name} is no program", hints=[f"begin it with #!/bin/sh, or: chmod +x {path}"]
        )
    return [str(path)] if first.startswith(b"\x7fELF") else ["/bin/sh", str(path)]


def _enter(report: Report) -> None:
    """Enter a namespace where there is one; without it the extension can do less with owners, or leave mounts behind."""
    if os.geteuid() != 0:
        unmet = [requirement for requirement in requirements() if not requirement.met]
        if not unmet:
            enter()
            return
        why = "; ".join(f"{requirement.name}: {requirement.detail}" for requirement in unmet)
    else:
        try:
            enter_as_root()
            return
        except HostError as error:
            why = error.message
    report(Warned(text=f"the extension is run without a namespace: {why}"))


def _relay(child: subprocess.Popen[bytes], log: int, name: str, report: Report) -> None:
    """Wait for the end of a process, and report each line that comes by the pipe until then."""
    rest = b""
    ended = os.pidfd_open(child.pid)
    try:
        open_ends = [ended, log]
        while True:
            ready = select.select(open_ends, [], [])[0]
            if log in ready:
                data = os.read(log, 1 << 16)
                if not data:
                    open_ends.remove(log)
                *lines, rest = (rest + data).split(b"\n")
                _report_lines(lines, name, report)
            elif ended in ready:
                break
    finally:
        os.close(ended)
    _report_lines([rest] if rest else [], name, report)
    child.wait()


def _report_lines(lines: Sequence[bytes], name: str, report: Report) -> None:
    for line in lines:
        report(Note(text=f"{name}: {line.decode(errors='replace')}"))


def _ending(name: str, status: int) -> str:
    return f"{name} was ended by signal {-status}" if status < 0 else f"{name} failed with code {status}"
