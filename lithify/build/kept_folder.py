"""The build folder of a workspace: kept in the cache from one build to the next, and brought up to date before each.

The workspace itself is only read: what a build makes is made in the copy, so the user's files stay the user's, and what the
sandbox's root leaves there is no trouble to anybody. A file that changed is copied with the time of now, an untouched one stays
with its old time: so ``make`` and its kind build what is to be built and no more.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from lithify.build.chunk import ChunkOrder
from lithify.build.continuing import (
    CONFIGURE_STEPS,
    Kept,
    SourceFile,
    changed_paths,
    from_nothing_because,
    set_up_digest,
)
from lithify.build.laying_out import LaidOut
from lithify.build.workshop import Bench, Workshop
from lithify.cache import CacheFolder, hold_lock, remove_tree, sync_file_system
from lithify.crash import crash_point
from lithify.definitions.model import WorkspaceSource
from lithify.errors import UnsafeContent
from lithify.events import StepStarted, Waiting, WorkspaceTaken, timed
from lithify.graph.environment import SOURCE_DATE_EPOCH
from lithify.graph.model import Command
from lithify.sources.tree import SETTLED_NS, Entry, digest_entries, file_digest, plain_mode, walk
from lithify.sources.workspace import changed_meanwhile, copy_entry, copy_git, existing, not_the_source
from lithify.staging.folders import plain_folder

VERSION = 1
BUILD, STATE, OPENED_IN = "build", "state.json", "opened-in"
_EPOCH_NS = SOURCE_DATE_EPOCH * 1_000_000_000


class KeptSteps:
    """The steps of one build in a kept folder: which are run, and what of their course is written down."""

    def __init__(self, folder: Path, kept: Kept, *, goes_on: bool, said: str, sync: bool) -> None:
        self._folder = folder
        self._kept = kept
        self._goes_on = goes_on
        self._sync = sync
        self.said = said
        """How the build begins, for its log."""

    def to_run(
        self, commands: Sequence[tuple[str, tuple[Command, ...]]]
    ) -> Iterator[tuple[str, tuple[Command, ...]]]:
        """Yield the steps to run; what is begun and not ended by :meth:`ended` counts as cut off."""
        self._note(running=True)
        for step, given in commands:
            if step not in CONFIGURE_STEPS:
                self._configured()
            elif self._goes_on:
                continue
            yield step, given
        self._configured()
        self.ended()

    def ended(self) -> None:
        """Write down that whatever was begun has ended by itself, well or not."""
        if self._sync:
            sync_file_system(self._folder)  # else a power cut could leave empty objects that look new
        self._note(running=False)

    def _configured(self) -> None:
        if not self._kept.configured:
            altered = tuple(_altered(self._folder / BUILD, self._kept.files))
            self._kept = replace(self._kept, configured=True, altered=altered)
            self._note(running=True)

    def _note(self, *, running: bool) -> None:
        self._kept = replace(self._kept, running=running)
        write_state(self._folder, self._kept)


def kept_place(cache: CacheFolder, identity: str) -> Path:
    """Return the folder in which what a workspace's builds keep stands; it need not exist."""
    return cache.workspaces / identity


@contextmanager
def kept_folder(workshop: Workshop, bench: Bench, order: ChunkOrder) -> Iterator[LaidOut]:
    """Give the chunk's build folder, with the workspace's files as they are now, to this build alone.

    Raises :class:`PinMismatch` where the workspace is no longer what the order's keys were made of.
    """
    source, pin = order.pins[0]
    assert isinstance(source, WorkspaceSource)
    folder = kept_place(workshop.cache, source.id)

    def waiting(holder: str) -> None:
        workshop.report(Waiting(what=f"the workspace of {order.chunk.name}", holder=holder))

    with hold_lock(workshop.cache.locks / f"workspace-{source.id}", on_wait=waiting):
        workshop.report(StepStarted(name=order.chunk.name, step="unpack"))
        with timed(workshop.report, "unpack", order.chunk.name):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (folder / OPENED_IN).write_text(str(workshop.sources.definitions_root), errors="surrogateescape")
            steps = _bring_up_to_date(workshop, order, folder, source, str(pin.digest_data["tree"]))
        build = bench.scratch / "build"
        build.symlink_to(folder / BUILD)  # `shell --failed` looks for it there
        yield LaidOut(
            build=build,
            destdir=plain_folder(bench.staging / "inst"),
            digest=str(pin.digest_data["tree"]),
            kept=steps,
        )


def _bring_up_to_date(
    workshop: Workshop, order: ChunkOrder, folder: Path, source: WorkspaceSource, tree: str
) -> KeptSteps:
    top, build = existing(source), folder / BUILD
    kept = read_state(folder) if build.is_dir() else None
    set_up = set_up_digest(order.keys.build_inputs["inputs"])
    looked_at = time.time_ns()
    files = look_through(top, not_the_source(top), kept)
    if tree_digest(files) != tree:
        raise changed_meanwhile(top)
    changed = changed_paths({} if kept is None else kept.files, files)
    reason = from_nothing_because(kept, order.chunk, set_up, changed, files)
    if not reason and kept is not None and not _folders_stand(build, kept.files):
        reason = "the last build has put something else in place of a folder of the source"
    now = Kept(
        set_up=set_up,
        configured=not reason,
        running=True,
        looked_at=looked_at,
        files=files,
        altered=() if reason or kept is None else kept.altered,
    )
    write_state(folder, now)
    crash_point("workspace.copy")
    if reason:
        remove_tree(build)
        copy_all(top, plain_folder(build), files)
        said = f"from nothing: {reason}"
    else:
        copy_changed(top, build, files, changed)
        said = f"goes on, {len(changed)} file{'' if len(changed) == 1 else 's'} changed since the last build"
    remove_tree(build / ".git")
    copy_git(source, build)
    crash_point("workspace.copied")
    workshop.report(
        WorkspaceTaken(name=order.chunk.name, path=source.path, changed=len(changed), from_nothing=reason)
    )
    return KeptSteps(
        folder, now, goes_on=not reason, said=f"workspace {top}: {said}", sync=workshop.store.sync
    )


def look_through(top: Path, skip: Callable[[bytes], bool], kept: Kept | None = None) -> dict[str, SourceFile]:
    """Return every file, folder and link of a workspace by path; files that look as they did are not read again."""
    found = {}
    start = os.fsencode(top)
    known = {} if kept is None else kept.files
    settled = 0 if kept is None else kept.looked_at - SETTLED_NS
    for path, status in walk(start, skip):
        name = os.fsdecode(path[len(start) + 1 :])
        found[name] = _look(path, name, status, known.get(name), settled)
    return found


def _look(
    path: bytes, name: str, status: os.stat_result, known: SourceFile | None, settled: int
) -> SourceFile:
    mode = plain_mode(status)
    if stat.S_ISDIR(status.st_mode):
        return SourceFile(kind="d", mode=mode, content="")
    if stat.S_ISLNK(status.st_mode):
        return SourceFile(kind="l", mode=mode, content=os.fsdecode(os.readlink(path)))
    if not stat.S_ISREG(status.st_mode):
        raise UnsafeContent(f"{name!r} is neither a file nor a folder nor a link")
    look = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    same = known is not None and known.status == look and status.st_ctime_ns < settled
    content = known.content if known is not None and same else file_digest(path).decode()
    return SourceFile(kind="f", mode=mode, content=content, status=look)


def tree_digest(files: Mapping[str, SourceFile]) -> str:
    """Return the digest of a source tree of these files, as :mod:`lithify.sources.tree` has it."""
    return digest_entries(
        [
            Entry(
                path=os.fsencode(name),
                kind=one.kind.encode(),
                mode=one.mode,
                uid=0,
                gid=0,
                content=os.fsencode(one.content),
            )
            for name, one in files.items()
        ]
    )


def _folders_stand(build: Path, files: Mapping[str, SourceFile]) -> bool:
    """Return whether each folder that was copied is one still: nothing is written, or removed, through a link."""
    return all(_is_folder(build / name) for name, one in files.items() if one.kind == "d")


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def copy_all(top: Path, build: Path, files: Mapping[str, SourceFile]) -> None:
    """Fill an empty build folder; everything has the time that sources of a clean build have."""
    names = sorted(files)
    for name in names:
        _copy(top, build, name)
    for name in (*reversed(names), ""):
        os.utime(build / name, ns=(_EPOCH_NS, _EPOCH_NS), follow_symlinks=False)


def copy_changed(top: Path, build: Path, files: Mapping[str, SourceFile], changed: Sequence[str]) -> None:
    """Bring a build folder up to date: what changed has the time of now, what went is removed."""
    for name in reversed(changed):
        if name not in files:
            _take_away(build / name)
    for name in changed:
        if name in files and not (files[name].kind == "d" and _is_folder(build / name)):
            remove_tree(build / name)
            _copy(top, build, name)


def _take_away(path: Path) -> None:
    """Remove a file of the source; a folder only where the build has left nothing in it."""
    try:
        if _is_folder(path):
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
    except OSError:
        pass  # a folder with what the build has made in it, or one that the build has replaced


def _copy(top: Path, build: Path, name: str) -> None:
    path = os.fsencode(top / name)
    copy_entry(path, os.fsencode(build / name), os.lstat(path))


def _altered(build: Path, files: Mapping[str, SourceFile]) -> Iterator[str]:
    """Yield the source files that are not in the build folder as they were copied into it."""
    for name, one in files.items():
        if one.kind == "d":
            continue
        try:
            status = (build / name).lstat()
        except (FileNotFoundError, NotADirectoryError):
            yield name
            continue
        if status.st_mtime_ns != _EPOCH_NS or (one.status and status.st_size != one.status[0]):
            yield name


def write_state(folder: Path, kept: Kept) -> None:
    """Write down what is known of a kept build folder, whole or not at all."""
    record = {
        "version": VERSION,
        "set-up": kept.set_up,
        "configured": kept.configured,
        "running": kept.running,
        "looked-at": kept.looked_at,
        "files": {n: [f.kind, f.mode, f.content, list(f.status)] for n, f in kept.files.items()},
        "altered": list(kept.altered),
    }
    aside = folder / f"{STATE}.partial"
    aside.write_text(json.dumps(record), encoding="ascii")
    os.replace(aside, folder / STATE)


def read_state(folder: Path) -> Kept | None:
    """Return what is known of a kept build folder; None where nothing is, or it is of another version."""
    try:
        record = json.loads((folder / STATE).read_text(encoding="ascii"))
        if record["version"] != VERSION:
            return None
        return Kept(
            set_up=record["set-up"],
            configured=record["configured"],
            running=record["running"],
            looked_at=record["looked-at"],
            files={
                name: SourceFile(kind=kind, mode=mode, content=content, status=tuple(status))
                for name, (kind, mode, content, status) in record["files"].items()
            },
            altered=tuple(record["altered"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
