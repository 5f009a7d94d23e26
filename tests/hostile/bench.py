"""What a case of hostile input is, and how it is judged: in a process of its own, beside a tree that nothing may touch.

A case is refused with a clear error, or handled right; either is written in the table. Whatever it is, there is no
traceback, nothing outside of its own folder is touched, and it takes no more time and memory than it may.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import select
import signal
import stat
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from lithify.errors import DefinitionErrors, LithifyError
from lithify.staging.namespace import enter

SECONDS = 10.0
"""Processor time that a case may take, with all that it starts."""
WALL_SECONDS = 60.0
"""Wall time that it may take, on a machine that does other things too."""
MEGABYTES = 400
"""Memory that any one process of a case may have: an interpreter with lithify has 80."""


class Scene(Struct, frozen=True):
    """Where one case plays."""

    work: Path
    """An empty folder for all that the case makes."""
    outside: Path
    """A tree that must be the same afterwards."""


class Case(Struct, frozen=True):
    """One hostile input, and what must come of it."""

    act: Callable[[Scene], object]
    """Makes the input and gives it to lithify; checks the result itself where it is to be handled."""
    refused: str | None = None
    """A part of the error's message or hints; None: there is no error."""
    inside: bool = False
    """Whether it runs in the user namespace, as builds do."""
    seconds: float = SECONDS
    megabytes: int = MEGABYTES


class Verdict(Struct, frozen=True):
    """What came of a case."""

    wrong: str
    """Empty where all is as it should be."""
    seconds: float
    processor_seconds: float
    megabytes: int


Cases = Mapping[str, Case]


def wall_seconds(case: Case) -> float:
    """Return how long a case may go on: one that may take more processor time than most may take as much longer."""
    return WALL_SECONDS * max(1.0, case.seconds / SECONDS)


def quick_folder() -> Path:
    """Return a folder in memory, where it holds what users attach to files; else one on disk."""
    memory = Path("/dev/shm")
    try:
        with tempfile.NamedTemporaryFile(dir=memory) as file:
            os.setxattr(file.name, "user.any", b"x")
        return memory
    except OSError:
        return Path("/var/tmp")


def judge(case: Case, folder: Path) -> Verdict:
    """Play a case in a folder of its own below ``folder``, and say what came of it."""
    with tempfile.TemporaryDirectory(prefix="lithify-hostile-", dir=folder) as name:
        scene = _scene(Path(name))
        before = state(scene.outside), sorted(os.listdir(name))
        began = time.monotonic()
        said, usage, in_time = _played(case, scene)
        seconds = time.monotonic() - began
        after = state(scene.outside), sorted(os.listdir(name))
        megabytes = usage.ru_maxrss // 1024
        wrong = _wrong(case, said) if in_time else f"it was still going on after {wall_seconds(case):.0f} s"
        cpu = usage.ru_utime + usage.ru_stime
        if cpu > case.seconds:
            wrong = f"it took {cpu:.1f} s of processor time; {wrong}"
        if after != before:
            wrong = f"it touched what is outside of its folder; {wrong}"
        if megabytes > case.megabytes:
            wrong = f"a process of it took {megabytes} MB; {wrong}"
        subprocess.run(["rm", "-rf", str(scene.work)], check=True)  # deeper than Python goes
        return Verdict(wrong.removesuffix("; "), seconds, cpu, megabytes)


def _scene(folder: Path) -> Scene:
    scene = Scene(folder / "work", folder / "outside")
    scene.work.mkdir()
    scene.outside.mkdir()
    (scene.outside / "secret").write_text("nobody's business\n")
    (scene.outside / "folder").mkdir()
    (scene.outside / "folder" / "file").write_text("line 1\nline 2\nline 3\n")
    (scene.outside / "link").symlink_to("folder/file")
    return scene


def state(folder: Path) -> str:
    """Return a digest of a tree: names, modes, owners, times, contents, attributes."""
    whole = hashlib.sha256()
    for path in sorted([folder, *folder.rglob("*")]):
        info = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(info.st_mode) else b""
        target = os.readlink(path) if path.is_symlink() else ""
        attributes = [] if path.is_symlink() else os.listxattr(path)
        row = [
            str(path),
            info.st_mode,
            info.st_uid,
            info.st_gid,
            info.st_nlink,
            info.st_mtime_ns,
            target,
            attributes,
        ]
        whole.update(repr(row).encode() + content)
    return whole.hexdigest()


def _played(case: Case, scene: Scene) -> tuple[dict[str, Any], resource.struct_rusage, bool]:
    """Play a case in a child; return what it said, what it took, and whether it came to an end."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reads)
        os.setsid()
        status = 1
        try:
            with os.fdopen(writes, "w") as out:
                json.dump(_told(case, scene), out)
            status = 0
        finally:
            os._exit(status)
    os.close(writes)
    process = os.pidfd_open(child)
    in_time = bool(select.select([process], [], [], wall_seconds(case))[0])
    if not in_time:
        os.killpg(child, signal.SIGKILL)
    os.close(process)
    with os.fdopen(reads) as file:
        text = file.read() if in_time else ""
    _, _, usage = os.wait4(child, 0)
    return json.loads(text) if text else {"traceback": "it ended without a word"}, usage, in_time


def _told(case: Case, scene: Scene) -> dict[str, Any]:
    try:
        if case.inside:
            enter()
        case.act(scene)
    except DefinitionErrors as error:
        lines = [
            f"{fault.place.file}:{fault.place.line}:{fault.place.column}: {fault.message}"
            for fault in error.faults
        ]
        return {"message": "\n".join(lines), "hints": [fault.hint for fault in error.faults]}
    except LithifyError as error:
        return {"message": error.message, "hints": list(error.hints)}
    except BaseException:  # noqa: BLE001 - whatever it is, the verdict tells it
        return {"traceback": traceback.format_exc()}
    return {"message": None}


def _wrong(case: Case, said: Mapping[str, Any]) -> str:
    if "traceback" in said:
        return f"a traceback: {said['traceback']}"
    message = said["message"]
    if message is None:
        return "" if case.refused is None else f"it was not refused; {case.refused!r} was to be said"
    whole = "\n".join([message, *said["hints"]])
    if case.refused is None:
        return f"it was refused: {whole}"
    if case.refused not in whole:
        return f"it was refused, but {case.refused!r} was to be said: {whole}"
    if not message.replace("\n", "").isprintable():
        return f"its message could act on a terminal: {message!r}"
    return "" if len(whole) < 20_000 else f"its message has {len(whole)} characters"


def play(cases: Cases, folder: Path, only: Callable[[str], bool] = lambda name: True) -> dict[str, Verdict]:
    """Play cases, one after another."""
    return {name: judge(case, folder) for name, case in cases.items() if only(name)}


def shown(part: str, verdicts: Mapping[str, Verdict]) -> str:
    """Return what came of a part, a line, and a line for each case that went wrong."""
    slowest = max(verdicts.items(), key=lambda item: item[1].processor_seconds)
    biggest = max(verdicts.items(), key=lambda item: item[1].megabytes)
    wrong = {name: verdict for name, verdict in verdicts.items() if verdict.wrong}
    summary = (
        f"{part}: {len(verdicts)} cases, {len(wrong)} wrong; "
        f"slowest {slowest[1].processor_seconds:.1f} s of processor time ({slowest[0]}), "
        f"biggest {biggest[1].megabytes} MB ({biggest[0]})"
    )
    return "\n".join([summary, *(f"  {name}: {verdict.wrong}" for name, verdict in wrong.items())])


def tell(text: str) -> None:
    """Show a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
