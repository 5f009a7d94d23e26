"""Answers that stand: what a build printed, kept with all that it rests on, so that nothing need be resolved again.

One small file in the cache for each definitions root and system asked for. It is found good by looking at the status of every
file that was read (as git's index is), and by the ref of the system; whatever is not the same, or cannot be told, leads to the
ordinary way. Imports nothing that is slow: this is all that a build with nothing to do runs. The files are written by
:mod:`lithify.schedule.witness`. Manual: ``docs/internals/standing-answers.md``.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

import lithify
from lithify.cache import CacheFolder
from lithify.config import Settings, value_text
from lithify.definitions.folder import Folder
from lithify.definitions.watching import digest_of_names, status_of
from lithify.errors import LithifyError
from lithify.sources.open_workspaces import is_any_open
from lithify.sources.tree import look_at, plain_digest
from lithify.staging.architecture import host_architecture
from lithify.store.refs import read_ref

FORMAT = 2
_INDIFFERENT = frozenset({"verbose", "quiet", "debug", "log", "jobs", "origins"})
"""Settings that change nothing of what a build with nothing to do prints."""


def answer_path(cache: CacheFolder, root: Path, cwd: Path, name: str) -> Path:
    """Return where the answer is kept that ``name``, said in the folder ``cwd``, had in a definitions tree."""
    question = json.dumps([str(root), str(cwd), name])
    return (
        cache.standing / f"{hashlib.sha256(question.encode(errors='surrogateescape')).hexdigest()[:40]}.json"
    )


def question(words: Sequence[str]) -> str:
    """Return the arguments of a build as one text: a system, and what of it was asked for."""
    return "\0".join(words)


def circumstances(settings: Settings) -> dict[str, Any]:
    """Return what beside the files decides an answer: the settings, the machine's architecture, and lithify's own code."""
    names = [name for name in settings.__struct_fields__ if name not in _INDIFFERENT]
    return {
        "format": FORMAT,
        "code": code_stamp(Path(lithify.__file__).parent),
        "python": sys.version,
        "machine": host_architecture(),
        "settings": {name: value_text(getattr(settings, name)) for name in names},
    }


def code_stamp(package: Path) -> str:
    """Return a digest of how the program's own modules look: another version of it may answer otherwise."""
    total = hashlib.sha256(lithify.__version__.encode())
    waiting = [str(package)]
    while waiting:
        with os.scandir(waiting.pop()) as found:
            for item in sorted(found, key=lambda item: item.name):
                if item.name.endswith(".py"):
                    status = item.stat()
                    total.update(f"{item.path}\0{status.st_size} {status.st_mtime_ns}\0".encode())
                elif item.is_dir() and item.name != "__pycache__":
                    waiting.append(item.path)
    return total.hexdigest()


def sealed(record: Mapping[str, Any]) -> bytes:
    """Return the bytes of a kept answer: its own digest first, so that a torn file is none."""
    body = json.dumps(record).encode(errors="surrogateescape")
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def _unsealed(content: bytes) -> dict[str, Any] | None:
    digest, _, body = content.partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        return None
    record = json.loads(body)
    return record if isinstance(record, dict) else None


def is_whole(content: bytes) -> bool:
    """Return whether a kept answer is as it was written; one that is not counts as none."""
    try:
        return _unsealed(content) is not None
    except ValueError:
        return False


class Standing(Struct, frozen=True):
    """What is known of a build before anything is resolved."""

    text: str | None = None
    """What it would print, where it is known that nothing is to be done."""
    mounted: tuple[str, ...] = ()
    """Where something is: the layers that the system was last composed on, most of which will be mounted again."""


def standing_answer(cache: CacheFolder, root: Path, cwd: Path, name: str, settings: Settings) -> Standing:
    """Return what is known of building ``name``. Reads only."""
    if is_any_open(root):
        return Standing()  # what somebody works on is looked at each time
    try:
        record = _unsealed(answer_path(cache, root, cwd, name).read_bytes())
        if record is None:
            return Standing()
        if record["text"] is None:
            return Standing(mounted=_mounted(record))
        if record["circumstances"] != circumstances(settings):
            return Standing()
        if read_ref(cache.ostree, record["ref"]) != record["commit"] or not _stands(record, root):
            return Standing(mounted=_mounted(record))
        text = record["text"]
    except (OSError, ValueError, KeyError, TypeError, IndexError, LithifyError):
        return (
            Standing()
        )  # none is kept, or not understood, or something cannot be looked at: asked in the ordinary way
    return Standing(text if isinstance(text, str) else None)


def mounted_by(path: Path) -> tuple[str, ...]:
    """Return the layers that a kept answer's system was composed on; none where there is no such answer."""
    try:
        record = _unsealed(path.read_bytes())
        return () if record is None else _mounted(record)
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def _mounted(record: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(digest) for digest in record["mounted"])


def _stands(record: Mapping[str, Any], root: Path) -> bool:
    folder = Folder(root)
    return (
        all(_same_file(folder, *file) for file in record["files"])
        and not any(_is_there(folder, name) for name in record["absent"])
        and all(folder.exists(name) == there for name, there in record["looked-up"])
        and record["names"] in ("", digest_of_names(folder.names()) if record["names"] else "")
        and _same_lock(root, record["lock"])
        and all(_same_source(root, *source) for source in record["sources"])
    )


def _same_file(folder: Folder, name: str, status: list[int], digest: str, settled: bool) -> bool:
    """Return whether a file of the definitions would be read as it was; only a settled one's status says so."""
    if settled and [*status_of(folder.status(name))] == status:
        return True
    return hashlib.sha256(folder.read(name)).hexdigest() == digest


def _is_there(folder: Folder, name: str) -> bool:
    try:
        folder.status(name)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    return True


def _same_lock(root: Path, lock: Mapping[str, Any]) -> bool:
    path = root / lock["name"]
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return lock["status"] is None
    if lock["status"] is None:
        return False
    if lock["settled"] and [*status_of(status)] == lock["status"]:
        return True
    return hashlib.sha256(path.read_bytes()).hexdigest() == str(lock["digest"])


def _same_source(root: Path, path: str, real: str, look: str, digest: str, settled: bool) -> bool:
    """Return whether a ``local`` or ``patch`` source is as it was. ``digest`` is empty where only a look can tell."""
    if os.path.realpath(root / path) != real:
        return False
    if settled and look_at(Path(real)).digest == look:
        return True
    return digest != "" and plain_digest(Path(real)) == digest
