"""``debian`` sources: the files of binary packages, united in a tree with merged ``/usr``.

The one kind that keeps owners, modes, setuid bits and capabilities, since an import of it is a DESTDIR. No maintainer script
is run. apt solves what else is needed when the pin is made, never when it is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

from lithify.definitions.model import DebianBinaries
from lithify.errors import SourceError
from lithify.graph.canonical import Value
from lithify.graph.pins import Pin
from lithify.sources.apt import PoolFile, open_apt
from lithify.sources.context import SourceContext
from lithify.sources.debian_pool import (
    fetch_pool,
    file_line,
    host_architecture,
    kept_at,
    read_file_line,
    rows_of,
)
from lithify.sources.unpacking import Archive, unpack_archives

_SHOWN_NAMES = 3


class DebianKind:
    """How ``debian`` sources are pinned, fetched and laid out."""

    in_place = False

    def label(self, source: DebianBinaries, pin: Pin | None) -> str:
        """Return what messages call the source: its first packages, and how many come with them."""
        names = " ".join(source.packages[:_SHOWN_NAMES]) + (
            " …" if len(source.packages) > _SHOWN_NAMES else ""
        )
        count = len(rows_of(pin.digest_data, "packages")) if pin else 0
        return f"{names} ({count} Debian packages)" if count > 1 else names

    def layout(self, source: DebianBinaries) -> Mapping[str, Value]:
        """Return what of the declaration, beside the pin, decides how the tree looks: nothing."""
        return {}

    def pin(self, source: DebianBinaries, context: SourceContext) -> Pin:
        """Ask apt for the newest packages, and for what they depend on."""
        arch = source.arch or context.arch or host_architecture()
        apt = open_apt(context, source.suite, arch, "deb")
        if source.dependencies:
            files = apt.closure(
                source.packages, recommends=source.recommends, exclude=source.exclude, context=context
            )
        else:
            files = apt.download(source.packages)
        excluded = {name.split(":")[0] for name in source.exclude}
        rows = sorted((*_name_version_arch(file), file) for file in files)
        return debian_pin(
            [
                (name, version, arch, file.sha256, file.size, file.path)
                for name, version, arch, file in rows
                if name not in excluded
            ]
        )

    def is_fetched(self, source: DebianBinaries, pin: Pin, context: SourceContext) -> bool:
        """Whether all packages are in the cache."""
        return all(kept_at(sha256, context).exists() for *_, sha256 in rows_of(pin.digest_data, "packages"))

    def fetch(self, source: DebianBinaries, pin: Pin, context: SourceContext) -> None:
        """Have all packages in the cache, checked."""
        fetch_pool(_rows(pin), source.suite, self.label(source, pin), context, check=False)

    def unpack(self, source: DebianBinaries, pin: Pin, into: Path, context: SourceContext) -> None:
        """Unpack all packages one over another, in the order of their names."""
        fetch_pool(_rows(pin), source.suite, self.label(source, pin), context, check=True)
        packages = [
            Archive(path=kept_at(sha256, context), name=f"{name} {version}", is_package=True)
            for name, version, _, sha256 in rows_of(pin.digest_data, "packages")
        ]
        unpack_archives(packages, into, context, packages=True)

    def write_pin(self, pin: Pin) -> list[str]:
        """Return the lines of the lock file that stand for a pin: one a package."""
        rows = zip(rows_of(pin.digest_data, "packages"), rows_of(pin.fetch, "files"), strict=True)
        return [
            file_line("package", facts, sha256, int(size), path) for (*facts, sha256), (path, size) in rows
        ]

    def read_pin(self, lines: Sequence[Sequence[str]]) -> Pin:
        """Return the pin that lines of the lock file stand for; raises :class:`ValueError`."""
        rows = []
        for words in lines:
            if words[0] != "package":
                raise ValueError(f"a debian source has lines of packages, not of {words[0]}")
            (name, version, arch), sha256, size, path = read_file_line(words, 3)
            rows.append((name, version, arch, sha256, size, path))
        if not rows:
            raise ValueError("a debian source has at least one package")
        return debian_pin(sorted(rows))

    def parts(self, pin: Pin) -> Mapping[str, str]:
        """Return what a person is shown of a pin, by name."""
        return {name: version for name, version, *_ in rows_of(pin.digest_data, "packages")}


def debian_pin(rows: Sequence[tuple[str, str, str, str, int, str]]) -> Pin:
    """Return a pin of packages: (name, version, architecture, sha256, size, path below the archive), sorted."""
    return Pin(
        kind="debian",
        digest_data={"packages": [list(row[:4]) for row in rows]},
        fetch={"files": [[path, size] for *_, size, path in rows]},
    )


def _rows(pin: Pin) -> list[tuple[str, str, int, str]]:
    rows = zip(rows_of(pin.digest_data, "packages"), rows_of(pin.fetch, "files"), strict=True)
    return [
        (f"{name} {version}", path, int(size), sha256) for (name, version, _, sha256), (path, size) in rows
    ]


def _name_version_arch(file: PoolFile) -> tuple[str, str, str]:
    """Return what apt's name of a package file says: ``gcc_4%3a12.2.0-3_amd64.deb``."""
    parts = file.name.removesuffix(".deb").split("_")
    if len(parts) != 3:
        raise SourceError(f"apt names a package file {file.name}, which says no version")
    return parts[0], unquote(parts[1]), parts[2]
