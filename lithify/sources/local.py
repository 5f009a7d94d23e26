"""``local`` sources: a folder or file below the definitions, read at each build, in no lock.

``.git`` is left out, links stay links, and permissions become 0755 or 0644, whatever the checkout's umask was.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from lithify.definitions.model import LocalSource, Source
from lithify.errors import PinMismatch, SourceError, UnsafeContent
from lithify.graph.canonical import Value
from lithify.graph.pins import Pin
from lithify.sources.context import SourceContext
from lithify.sources.folder_digests import FACT, folder_digests
from lithify.sources.tree import is_git, look_at, plain_digest, plain_mode, walk

_AT_ONCE = 1 << 30
"""Bytes that one call copies at most."""


class LocalKind:
    """How ``local`` sources are read and laid out."""

    in_place = False

    def label(self, source: LocalSource, pin: Pin | None) -> str:
        """Return what messages call the source."""
        return source.path

    def layout(self, source: LocalSource) -> Mapping[str, Value]:
        """Return what of the declaration, beside the pin, decides how the tree looks: nothing."""
        return {}

    def pin(self, source: LocalSource, context: SourceContext) -> Pin:
        """Read the content as it is now; no network."""
        known = pin_folders([source], context).get(source)
        return known or _pin(_digest(below_definitions(source.path, context.definitions_root), source.path))

    def is_fetched(self, source: LocalSource, pin: Pin, context: SourceContext) -> bool:
        """Whether it is there: always."""
        return True

    def fetch(self, source: LocalSource, pin: Pin, context: SourceContext) -> None:
        """Do nothing: it is there."""

    def unpack(self, source: LocalSource, pin: Pin, into: Path, context: SourceContext) -> str:
        """Copy the content and return its digest; raises :class:`PinMismatch` where it is no longer what was read."""
        found = below_definitions(source.path, context.definitions_root)
        whole = found.is_dir()
        if whole:
            _copy_folder(found, into)
        else:
            _copy_file(os.fsencode(found), os.fsencode(into / found.name), found.stat())
        # What still looks as it did when it was read is what was read: the copy need not be read as well.
        read = context.facts.get(FACT, look_at(found).digest) if whole else None
        tree = read or plain_digest(into)
        if tree != pin.digest_data["tree"]:
            raise PinMismatch(
                f"the local source {source.path} was changed while it was built", hints=["build again"]
            )
        return tree

    def write_pin(self, pin: Pin) -> list[str]:
        """Return the lines of the lock file that stand for a pin: a local source is in no lock."""
        return []

    def read_pin(self, lines: Sequence[Sequence[str]]) -> Pin:
        """Raise :class:`ValueError`: a local source is in no lock."""
        raise ValueError("a local source is not locked; its content is read at each build")

    def parts(self, pin: Pin) -> Mapping[str, str]:
        """Return what a person is shown of a pin, by name."""
        return {"tree": str(pin.digest_data["tree"])}


def below_definitions(path: str, root: Path) -> Path:
    """Return a file or folder of the definitions; raises :class:`SourceError` where it is missing or elsewhere."""
    if path.startswith("/") or ".." in path.split("/"):
        raise SourceError(f"the local source {path} leaves the definitions")
    found = root / path
    try:
        real = found.resolve(strict=True)
    except FileNotFoundError as error:
        raise SourceError(
            f"there is no file or folder {path} in the definitions", hints=[f"they are in {root}"]
        ) from error
    except (OSError, RuntimeError) as error:
        raise SourceError(f"the local source {path} cannot be read: {_reason(error)}") from error
    if not real.is_relative_to(root.resolve()):
        raise SourceError(
            f"the local source {path} leaves the definitions by a link, to {real}",
            hints=["put the files into the definitions, or take them by git or as an archive"],
        )
    return real


def pin_folders(sources: Iterable[LocalSource], context: SourceContext) -> dict[Source, Pin]:
    """Return the pins of local folders, read all at once; what cannot be read is left out, and told by who pins it alone."""
    places: dict[LocalSource, Path] = {}
    for source in sources:
        with suppress(SourceError):
            found = below_definitions(source.path, context.definitions_root)
            if found.is_dir():
                places[source] = found
    digests = folder_digests(list(dict.fromkeys(places.values())), context)
    return {source: _pin(digests[found]) for source, found in places.items() if found in digests}


def _pin(tree: str) -> Pin:
    return Pin(kind="local", digest_data={"tree": tree})


def _digest(found: Path, name: str) -> str:
    try:
        return plain_digest(found)
    except UnsafeContent as error:
        raise UnsafeContent(f"the local source {name}: {error.message}") from error
    except OSError as error:
        place = os.fsdecode(error.filename) if error.filename else str(found)
        raise SourceError(f"the local source {name} cannot be read: {_reason(error)}: {place}") from error


def _reason(error: OSError | RuntimeError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _copy_folder(found: Path, into: Path) -> None:
    top, target = os.fsencode(found), os.fsencode(into)
    for path, status in walk(top, is_git):
        place = target + path[len(top) :]
        if stat.S_ISREG(status.st_mode):
            _copy_file(path, place, status)
        elif stat.S_ISDIR(status.st_mode):
            os.mkdir(place)
            os.chmod(place, 0o755)
        elif stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(path), place)


def _copy_file(source: bytes, target: bytes, status: os.stat_result) -> None:
    reading = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            while os.sendfile(writing, reading, None, _AT_ONCE):
                pass
            os.fchmod(writing, plain_mode(status))
        finally:
            os.close(writing)
    except OSError as error:
        error.filename = error.filename or target  # a write tells no name, and two disks may be full
        raise
    finally:
        os.close(reading)
