"""``debian-source`` sources: a source package of Debian: the upstream archive, and Debian's folder and patches over it.

Unpacked as dpkg-source does for formats 1.0, 3.0 (native) and 3.0 (quilt), which takes a tar and ``patch``, no dpkg-dev.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from lithify.cache import remove_tree
from lithify.definitions.model import DebianSourcePackage
from lithify.errors import SourceError
from lithify.graph.canonical import Value
from lithify.graph.pins import Pin
from lithify.sources.apt import open_apt
from lithify.sources.context import SourceContext
from lithify.sources.debian_pool import (
    fetch_pool,
    file_line,
    host_architecture,
    kept_at,
    read_file_line,
    rows_of,
)
from lithify.sources.lock_words import join_words
from lithify.sources.patching import OnePatch, apply_patches, read_series
from lithify.sources.unpacking import Archive, unpack_archives

_ORIGINAL = re.compile(r"\.orig\.tar\.\w+\Z")
_COMPONENT = re.compile(r"\.orig-([A-Za-z0-9-]+)\.tar\.\w+\Z")
_DEBIAN = re.compile(r"\.debian\.tar\.\w+\Z")
_DIFF = re.compile(r"\.diff\.gz\Z")
_NATIVE = re.compile(r"\.tar\.\w+\Z")


class DebianSourceKind:
    """How ``debian-source`` sources are pinned, fetched and laid out."""

    in_place = False

    def label(self, source: DebianSourcePackage, pin: Pin | None) -> str:
        """Return what messages call the source."""
        version = f" {_version(pin)}" if pin else ""
        return f"{source.package}{version} (Debian source)"

    def layout(self, source: DebianSourcePackage) -> Mapping[str, Value]:
        """Return what of the declaration, beside the pin, decides how the tree looks."""
        return {"patches": source.patches}

    def pin(self, source: DebianSourcePackage, context: SourceContext) -> Pin:
        """Ask apt for the newest version."""
        apt = open_apt(context, source.suite, context.arch or host_architecture(), "deb-src")
        files = apt.source(source.package)
        description = next((file.name for file in files if file.name.endswith(".dsc")), None)
        if description is None:
            raise SourceError(f"apt names no .dsc of the source package {source.package} in {source.suite}")
        version = description.removesuffix(".dsc").partition("_")[2]
        return debian_source_pin(version, sorted((f.name, f.sha256, f.size, f.path) for f in files))

    def is_fetched(self, source: DebianSourcePackage, pin: Pin, context: SourceContext) -> bool:
        """Whether all files are in the cache."""
        return all(kept_at(sha256, context).exists() for _, sha256 in rows_of(pin.digest_data, "files"))

    def fetch(self, source: DebianSourcePackage, pin: Pin, context: SourceContext) -> None:
        """Have all files in the cache, checked."""
        fetch_pool(_rows(pin), source.suite, self.label(source, pin), context, check=False)

    def unpack(self, source: DebianSourcePackage, pin: Pin, into: Path, context: SourceContext) -> None:
        """Unpack the upstream archive, then Debian's folder, then apply Debian's patches if they are wanted."""
        fetch_pool(_rows(pin), source.suite, self.label(source, pin), context, check=True)
        files = {row[0]: row[1] for row in rows_of(pin.digest_data, "files")}
        found = SourceFiles(files, self.label(source, pin))
        _unpack_below(found.archive(found.main, context), into, context)
        for component, name in found.components.items():
            below = into / component
            remove_tree(below)
            below.mkdir()
            _unpack_below(found.archive(name, context), below, context)
        if found.debian:
            aside = into / ".lithify-debian"
            aside.mkdir()
            unpack_archives([found.archive(found.debian, context)], aside, context)
            if not _is_folder(aside / "debian"):
                raise SourceError(
                    f"{self.label(source, pin)}: there is no folder debian in {found.debian}",
                    hints=["nothing of it was used"],
                )
            remove_tree(into / "debian")
            (aside / "debian").rename(into / "debian")
            remove_tree(aside)
        if source.patches:
            self._patch(source, pin, found, into, context)

    def _patch(
        self, source: DebianSourcePackage, pin: Pin, found: SourceFiles, into: Path, context: SourceContext
    ) -> None:
        label = self.label(source, pin)
        if found.diff:
            path = kept_at(found.sha256(found.diff), context)
            patch = OnePatch(name=found.diff, path=path, strip=1, compressed=True)
            apply_patches([patch], into, context, owner=label, exact=True)
        folder = into / "debian/patches"
        if found.debian and (folder / "series").is_file():
            if not _is_folder(folder) or (folder / "series").is_symlink():
                raise SourceError(
                    f"{label}: its patches are a symlink, which would lead out of the package",
                    hints=["say `patches: false` to take it without them"],
                )
            patches = read_series(folder, strip=1)
            apply_patches(patches, into, context, owner=label, exact=True)

    def write_pin(self, pin: Pin) -> list[str]:
        """Return the lines of the lock file that stand for a pin: one a file."""
        rows = zip(rows_of(pin.digest_data, "files"), rows_of(pin.fetch, "files"), strict=True)
        lines = [file_line("file", [name], sha256, int(size), path) for (name, sha256), (path, size) in rows]
        return [join_words("version", _version(pin)), *lines]

    def read_pin(self, lines: Sequence[Sequence[str]]) -> Pin:
        """Return the pin that lines of the lock file stand for; raises :class:`ValueError`."""
        if not lines or lines[0][0] != "version" or len(lines[0]) != 2 or len(lines) < 2:
            raise ValueError("a debian-source source has a line with its version, then its files")
        rows = []
        for words in lines[1:]:
            if words[0] != "file":
                raise ValueError(f"a debian-source source has lines of files, not of {words[0]}")
            (name,), sha256, size, path = read_file_line(words, 1)
            rows.append((name, sha256, size, path))
        return debian_source_pin(lines[0][1], sorted(rows))

    def parts(self, pin: Pin) -> Mapping[str, str]:
        """Return what a person is shown of a pin, by name."""
        return {"version": _version(pin)}


def _version(pin: Pin) -> str:
    return str(pin.digest_data["version"])


class SourceFiles:
    """The files of a source package, told apart by their names."""

    def __init__(self, files: Mapping[str, str], label: str) -> None:
        self._files = files
        self.main = self._one(_ORIGINAL)
        self.debian = self._one(_DEBIAN)
        self.diff = self._one(_DIFF)
        self.components = {
            match[1]: name for name in sorted(files) if (match := _COMPONENT.search(name)) is not None
        }
        if not self.main:
            self.main = self._one(_NATIVE)
        if not self.main:
            raise SourceError(f"{label} has no upstream archive")

    def sha256(self, name: str) -> str:
        """Return the digest of a file."""
        return self._files[name]

    def archive(self, name: str, context: SourceContext) -> Archive:
        """Return a file as an archive to unpack."""
        return Archive(path=kept_at(self._files[name], context), name=name)

    def _one(self, pattern: re.Pattern[str]) -> str:
        return next((name for name in sorted(self._files) if pattern.search(name)), "")


def _is_folder(path: Path) -> bool:
    """Return whether a folder is at a path, and no link to one: that would lead to the host's."""
    return path.is_dir() and not path.is_symlink()


def _unpack_below(archive: Archive, into: Path, context: SourceContext) -> None:
    """Unpack an archive; where all of it is in one folder, that folder's content is taken."""
    aside = into / ".lithify-upstream"
    aside.mkdir()
    unpack_archives([archive], aside, context)
    content = list(aside.iterdir())
    top = content[0] if len(content) == 1 and content[0].is_dir() and not content[0].is_symlink() else aside
    for item in list(top.iterdir()):
        item.rename(into / item.name)
    remove_tree(aside)


def debian_source_pin(version: str, rows: Sequence[tuple[str, str, int, str]]) -> Pin:
    """Return a pin of a source package: (name, sha256, size, path below the archive) of its files, sorted."""
    return Pin(
        kind="debian-source",
        digest_data={"version": version, "files": [[name, sha256] for name, sha256, *_ in rows]},
        fetch={"files": [[path, size] for *_, size, path in rows]},
    )


def _rows(pin: Pin) -> list[tuple[str, str, int, str]]:
    rows = zip(rows_of(pin.digest_data, "files"), rows_of(pin.fetch, "files"), strict=True)
    return [(name, path, int(size), sha256) for (name, sha256), (path, size) in rows]
