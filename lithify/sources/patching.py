"""Patches are applied: one sandboxed run of ``patch`` for all patches of a source."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from lithify.errors import HostError, SourceError
from lithify.process import find_program
from lithify.sources.context import SourceContext
from lithify.sources.unpacking import escaped

_SECONDS = 3600.0
_MARK = "@@@ lithify patch "
_APPLY = f"""\
umask 022
export LC_ALL=C
fuzz=$1
shift
number=0
while [ $# -gt 0 ]; do
  echo
  echo "{_MARK}$number"
  if [ "$2" = gz ]; then gzip -dc <"$3"; else cat <"$3"; fi |
    patch -p"$1" $fuzz -N -t -E --no-backup-if-mismatch -r -
  number=$((number + 1))
  shift 3
done
"""
_FAILED = re.compile(r"Hunk #(\d+) (?:FAILED|ignored|FAILED at|ignored at)(?: at)? ?(\d+)?", re.IGNORECASE)


class OnePatch(Struct, frozen=True, kw_only=True):
    """A patch and how it is applied."""

    name: str
    path: Path
    strip: int
    compressed: bool = False
    """With gzip."""


def read_series(folder: Path, strip: int) -> list[OnePatch]:
    """Return the patches of a folder in quilt's order: those of its file ``series``, else all by name.

    Raises :class:`SourceError` for a line of ``series`` that names no patch of the folder.
    """
    series = folder / "series"
    if not series.is_file():
        names = sorted(item.name for item in folder.iterdir() if item.suffix in (".patch", ".diff"))
        return [OnePatch(name=name, path=folder / name, strip=strip) for name in names]
    patches = []
    for number, line in enumerate(series.read_text(errors="replace").splitlines(), 1):
        words = re.sub(r"(^|\s)#.*", "", line).split()
        if not words:
            continue
        own = [word for word in words[1:] if re.fullmatch(r"-p\d{1,3}", word)]
        path = folder / words[0]
        if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
            raise SourceError(f"{series.name}, line {number}: there is no patch {words[0]} beside it")
        patches.append(OnePatch(name=words[0], path=path, strip=int(own[0][2:]) if own else strip))
    return patches


def apply_patches(
    patches: Sequence[OnePatch], tree: Path, context: SourceContext, *, owner: str, exact: bool
) -> None:
    """Apply patches in order to a tree. ``exact``: without fuzz, as Debian's must.

    Raises :class:`SourceError` naming the patch, file and hunk of the first that does not apply; ``owner`` is what the
    message begins with.
    """
    if not patches:
        return
    if find_program("patch") is None:
        raise HostError("the program patch is not installed", hints=["apt install patch"])
    words = [w for p in patches for w in (str(p.strip), "gz" if p.compressed else "plain", str(p.path))]
    try:
        done = context.sandbox()(
            ["/bin/sh", "-e", "-c", _APPLY, "sh", "-F0" if exact else "-F2", *words],
            readable=[patch.path for patch in patches],
            writable=[tree],
            cwd=tree,
            timeout=_SECONDS,
            expected=None,
        )
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"{owner}: the patches took longer than {_SECONDS:.0f} s") from error
    if done.returncode != 0:
        raise _refused(patches, done.stdout, done.stderr, owner)


def _refused(patches: Sequence[OnePatch], stdout: bytes, stderr: bytes, owner: str) -> SourceError:
    said = stdout.decode(errors="replace").rpartition(_MARK)[2].splitlines()
    number = int(said[0]) if said and said[0].isdecimal() else 0
    lines = [escaped(line) for line in (*said[1:], *stderr.decode(errors="replace").splitlines()) if line]
    file, reason = "", ""
    for line in lines:
        if line.startswith(("patching file ", "checking file ")):
            file = line.split(" ", 2)[2]
        hunk = _FAILED.search(line)
        if hunk and not reason:
            reason = f"hunk #{hunk[1]} of {file} does not fit" + (f" (line {hunk[2]})" if hunk[2] else "")
        elif "Reversed (or previously applied)" in line and not reason:
            reason = f"{file or 'the file'} has it already"
        elif line.startswith("can't find file to patch") and not reason:
            reason = "it changes a file that is not there (is `strip` right?)"
    return SourceError(
        f"{owner}: the patch {patches[number].name} does not apply: {reason or (lines or ['patch says nothing'])[-1]}",
        hints=lines[:6],
    )
