"""How a folder of the layers looks: everything in it, or only what must have changed if anything was.

A whole survey names every entry with what ``lstat`` says of it. Once that is known, a short one is enough: the kernel sets a
folder's change time at whatever is added, removed or renamed in it, or done to itself, and nobody can set it back; so the
folders' change times and the files' own states (mode, owner, size, time) tell. That is a fifth of the work.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Self

import msgspec
from msgspec import Struct

from lithify.store.short_look import below, looks_as_known, states_of

SETTLING_NS = 50_000_000
"""Nanoseconds after which the kernel's clock has surely gone on: a later change gives a folder another change time."""


class Survey(Struct, frozen=True, kw_only=True):
    """How a folder looks: what is in it, and a digest over what ``lstat`` says of each entry. Paths are below it."""

    fingerprint: str
    dirs: frozenset[str]
    symlinks: Mapping[str, str]
    files: frozenset[str]


class Known(Struct, frozen=True, kw_only=True):
    """A survey, and what a short look must find for it to hold still."""

    survey: Survey
    changed: Mapping[str, int]
    """Folder → its change time, nanoseconds since 1970; the top is the empty path."""
    files: tuple[str, ...]
    """In the order in which ``states`` was taken."""
    states: str
    """Digest over the states of the files."""
    settled: bool
    """Whether a change made right after it was taken would give a folder another change time."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        survey = self.survey
        return {
            "fingerprint": survey.fingerprint,
            "symlinks": dict(survey.symlinks),
            "changed": dict(self.changed),
            "files": list(self.files),
            "states": self.states,
            "settled": self.settled,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return what :meth:`to_json` gave; raises :class:`ValueError` where it is something else."""
        try:
            changed, files = data["changed"], tuple(data["files"])
            survey = Survey(
                fingerprint=data["fingerprint"],
                dirs=frozenset(changed) - {""},
                symlinks=data["symlinks"],
                files=frozenset(files),
            )
            return cls(
                survey=survey, changed=changed, files=files, states=data["states"], settled=data["settled"]
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("no survey") from error


def read_survey(top: str | os.PathLike[str]) -> Survey:
    """Return how the layer whose files are in ``top`` looked when it was made; where nobody has kept that, as it looks now."""
    try:
        with open(os.path.join(os.path.dirname(top), "index"), "rb") as file:
            return Known.from_json(msgspec.json.decode(file.read())).survey
    except (OSError, ValueError):
        return survey_folder(top)


def known_of(top: str, survey: Survey) -> Known:
    """Return what a short look at ``top`` must find, taken now; raises :class:`OSError` where it has changed meanwhile."""
    changed = {path: os.lstat(below(top, path)).st_ctime_ns for path in ("", *sorted(survey.dirs))}
    files = tuple(sorted(survey.files))
    return Known(
        survey=survey,
        changed=changed,
        files=files,
        states=states_of(top, files),
        settled=max(changed.values()) + SETTLING_NS < time.time_ns(),
    )


def still_looks(top: str, known: Known) -> bool:
    """Return whether a short look at ``top`` finds what it must; False where only a whole survey can tell."""
    if not known.settled:
        return False
    try:
        return looks_as_known(top, known.changed, known.files, known.states)
    except OSError:
        return False


def is_changed_at(top: str | os.PathLike[str], when: int | None) -> bool:
    """Return whether a top folder is the one that another process has just looked at, which saw it changed at ``when``."""
    try:
        return when is not None and os.lstat(top).st_ctime_ns == when
    except OSError:
        return False


def survey_folder(folder: str | os.PathLike[str]) -> Survey:
    """Return how a folder looks: names, kinds, modes, owners, sizes, times and link targets of all that is in it."""
    looks: list[str] = []
    dirs: list[str] = []
    symlinks: dict[str, str] = {}
    files: list[str] = []
    top = os.fspath(folder)
    pending = [""]
    looks.append(_look_of_folder("", os.lstat(top)))
    while pending:
        path = pending.pop()
        prefix = f"{path}/" if path else ""
        # on an open folder, so that the kernel need not walk the whole path for each entry
        descriptor = os.open(f"{top}/{path}", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            with os.scandir(descriptor) as listing:
                entries = sorted(listing, key=attrgetter("name"))
            for entry in entries:
                here = prefix + entry.name
                status = entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    dirs.append(here)
                    pending.append(here)
                    looks.append(_look_of_folder(here, status))
                    continue
                target = ""
                if entry.is_symlink():
                    symlinks[here] = target = os.readlink(entry.name, dir_fd=descriptor)
                else:
                    files.append(here)
                looks.append(
                    f"{here}\0{status.st_mode} {status.st_uid} {status.st_gid} {status.st_mtime_ns} "
                    f"{status.st_size} {target}"
                )
        finally:
            os.close(descriptor)
    return Survey(
        fingerprint=hashlib.sha256("\0".join(looks).encode(errors="surrogateescape")).hexdigest(),
        dirs=frozenset(dirs),
        symlinks=symlinks,
        files=frozenset(files),
    )


def _look_of_folder(path: str, status: os.stat_result) -> str:
    """Return what is compared of a folder: not its size, which is its file system's affair."""
    return f"{path}\0{status.st_mode} {status.st_uid} {status.st_gid} {status.st_mtime_ns}"
