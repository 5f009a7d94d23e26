"""Archives are unpacked: one sandboxed run of :mod:`lithify.sources.unpacker` for all archives of a source."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

import lithify
from lithify.cache import no_space
from lithify.errors import SourceError, UnsafeContent
from lithify.events import Warned
from lithify.sources.context import SourceContext

_INTERPRETER = "/usr/bin/python3"
"""The host's own: lithify's may stand in a folder that the sandbox does not show."""
_PACKAGE = Path(lithify.__file__).parent
_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from lithify.sources.unpacker import main; main()"
_SECONDS = 3600.0


class Archive(Struct, frozen=True, kw_only=True):
    """An archive in the cache."""

    path: Path
    name: str
    """What messages call it."""
    strip: int = 0
    """Leading folders taken off."""
    is_package: bool = False
    """A Debian package, of which the file tree is taken."""


def unpack_archives(
    archives: Sequence[Archive], into: Path, context: SourceContext, *, packages: bool = False
) -> None:
    """Unpack archives one over another into an empty folder.

    ``packages``: owners, modes, setuid bits and capabilities are taken as the archives have them, links are followed as in a
    root file system, and ``/usr`` is merged. Else all becomes ours, 0755 or 0644. Raises :class:`UnsafeContent` for what
    would leave the folder or be a device, and for too much; :class:`SourceError` for damage; :class:`NoSpace`.
    """
    job = {
        "into": str(into),
        "archives": [_plain(archive) for archive in archives],
        "owners": packages,
        "merged_usr": packages,
        "members": context.limits.members,
        "bytes": context.limits.bytes_for(sum(archive.path.stat().st_size for archive in archives)),
    }
    try:
        done = context.sandbox()(
            [_INTERPRETER, "-I", "-S", "-B", "-X", "utf8", "-c", _PROGRAM, str(_PACKAGE.parent)],
            readable=[_PACKAGE, *(archive.path for archive in archives)],
            writable=[into],
            stdin=json.dumps(job).encode(),
            timeout=_SECONDS,
            expected=None,
        )
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"unpacking {_names(archives)} took longer than {_SECONDS:.0f} s") from error
    if done.returncode != 0 or not done.stdout:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise SourceError(
            f"unpacking {_names(archives)} ended with exit_code={done.returncode}", hints=said[-3:]
        )
    result: dict[str, Any] = json.loads(done.stdout)
    if "error" in result:
        raise _error(result, into)
    if result["members"] and not result["kept"] and any(archive.strip for archive in archives):
        raise SourceError(
            f"nothing is left of {_names(archives)} without its leading folders",
            hints=["say `strip: 0` where an archive has no folder around it"],
        )
    _tell_overlaps(result["overlaps"], context)


def _plain(archive: Archive) -> dict[str, Any]:
    return {
        "path": str(archive.path),
        "name": archive.name,
        "strip": archive.strip,
        "kind": "deb" if archive.is_package else "",
    }


def _names(archives: Sequence[Archive]) -> str:
    return archives[0].name if len(archives) == 1 else f"{len(archives)} archives"


def _error(result: dict[str, Any], into: Path) -> Exception:
    archive, text = result["archive"], escaped(result["text"])
    match result["error"]:
        case "unsafe":
            return UnsafeContent(f"{archive}: {text}", hints=["nothing of it was used"])
        case "limit":
            return UnsafeContent(
                f"{archive} unpacks to {text}", hints=["an archive that grows so much is taken for a trap"]
            )
        case "full":
            return no_space(into, OSError(result["errno"], text))
        case "damaged":
            return SourceError(
                f"{archive} cannot be unpacked: {text}",
                hints=["tar (gzip, bzip2, xz, lzma, zstd) and zip are known"],
            )
        case _:
            return SourceError(f"{archive} cannot be unpacked: {text}")


def escaped(text: str) -> str:
    """Return text that an archive or a file name brought, safe to show on a terminal."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def _tell_overlaps(overlaps: Sequence[Sequence[str]], context: SourceContext) -> None:
    for path, first, second in overlaps:
        context.report(Warned(text=f"{escaped(path)} is in {first} and in {second}; the latter's is taken"))
