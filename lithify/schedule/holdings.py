"""What a cache holds, every file counted once: builds, sources, layers, logs, and what each takes on the disk.

Layers link to the files of builds, so they count with their folders alone. Walked in the store's namespace, since layers
belong to its users.
"""

from __future__ import annotations

import os
import stat
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from lithify.cache import CacheFolder
from lithify.schedule.eviction import Holding, HoldingKind
from lithify.schedule.retention import Retention
from lithify.sources.keeping import FETCHED_BYTES_A_SECOND, LAID_OUT_BYTES_A_SECOND
from lithify.store.damage import DamagedObject
from lithify.store.reading import Commit, Repository
from lithify.store.weighing import on_disk, weigh

SOURCES: Mapping[str, tuple[HoldingKind, int]] = {
    "git": ("git mirror", FETCHED_BYTES_A_SECOND),
    "archives": ("archive", FETCHED_BYTES_A_SECOND),
    "debian": ("Debian package", FETCHED_BYTES_A_SECOND),
    "definitions": ("definitions", LAID_OUT_BYTES_A_SECOND),
}
"""Folder below ``sources/`` → what is in it, and how fast it is had again."""
KINDS = (
    *("commits", "layers", "git mirrors", "archives", "Debian packages", "definitions"),
    *("logs", "compiler caches", "workspaces", "staging", "other"),
)
"""What the bytes of a cache are counted by. ``staging`` is of builds that run or failed; ``other`` are refs, locks, facts."""


_BUILDS = "d/"
"""Refs by definition key."""


class StoredBuild(Struct, frozen=True, kw_only=True):
    """A finished build in the store, and what keeps it."""

    kind: str
    name: str
    key: str
    """Its definition key."""
    commit: str
    content: str
    """Digest of what it holds: the name of its layer."""
    made_at: int
    """Seconds since 1970."""
    size: int
    """Bytes of its files; those that other builds hold too are counted as well."""
    seconds: float
    """How long it took to build."""
    kept_by: str
    """Why it stays; empty where nothing keeps it."""


class Holdings(Struct, frozen=True, kw_only=True):
    """What a cache holds."""

    sizes: Sequence[int]
    """Bytes on the disk of each file, or tree of files, that holdings have as parts."""
    holdings: tuple[Holding, ...]
    builds: Mapping[str, StoredBuild]
    """Those of the holdings that are builds, by definition key."""
    kinds: Mapping[str, int]
    """Bytes by kind, of :data:`KINDS`."""
    unheld: int
    """Bytes that any collection frees: objects and layers of no build, what killed commands left."""

    @property
    def total(self) -> int:
        """Bytes of everything."""
        return sum(self.kinds.values())

    @property
    def fixed(self) -> int:
        """Bytes that are left when all that may go is gone, and no holding's."""
        held = {part for holding in self.holdings for part in holding.parts}
        return self.total - self.unheld - sum(self.sizes[part] for part in held)


def survey(cache: CacheFolder, retention: Retention) -> Holdings:
    """Return what is in a cache, and of each part of it what keeps it."""
    return _Surveyor(cache, retention).look()


class _Surveyor(Struct):
    cache: CacheFolder
    retention: Retention
    sizes: array[int] = field(default_factory=lambda: array("Q"))
    holdings: list[Holding] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    unheld: int = 0

    def look(self) -> Holdings:
        """Look at one part of the cache after the other."""
        repository = Repository(self.cache.ostree)
        refs = repository.refs()
        builds = stored_builds(repository, refs, self.retention)
        weighed = weigh(repository, sorted({*refs.values()}))
        self.sizes.extend(weighed.sizes)
        self.kinds["commits"] = sum(weighed.sizes)
        self.unheld = weighed.unheld
        seen = set(weighed.inodes)
        layers = {
            name: self._part("layers", self.cache.layers / name, seen) for name in _names(self.cache.layers)
        }
        for build in builds:
            layer = layers.get(build.content)
            parts = [*weighed.objects[build.commit], *(() if layer is None else [layer])]
            self.holdings.append(_holding_of(build, parts, self.retention))
        used = {build.content for build in builds}
        self.unheld += sum(self.sizes[part] for name, part in layers.items() if name not in used)
        self._look_at_sources()
        for kind, folder in (
            ("logs", self.cache.logs),
            ("compiler caches", self.cache.compiler_caches),
            ("workspaces", self.cache.workspaces),
            ("staging", self.cache.staging),
        ):
            self.kinds[kind] = usage(folder, seen)
        self._look_at_the_rest()
        foreign = {*refs.values()} - {build.commit for build in builds}
        self._hold_on({part for commit in foreign for part in weighed.objects[commit]})
        return Holdings(
            sizes=self.sizes,
            holdings=tuple(self.holdings),
            builds={build.key: build for build in builds},
            kinds=self.kinds,
            unheld=self.unheld,
        )

    def _look_at_sources(self) -> None:
        seen: set[int] = set()
        for folder in _names(self.cache.sources):
            top = self.cache.sources / folder
            if folder not in SOURCES:
                self.kinds["other"] += usage(top, seen)
                continue
            kind, speed = SOURCES[folder]
            counted = _plural(kind)
            self.kinds["other"] += _folders_alone([top])
            for name in _names(top):
                part = self._part(counted, top / name, seen)
                if name.startswith("."):  # half made, or put aside
                    continue
                place = f"sources/{folder}/{name}"
                made_at = _touched(top / name)
                self.holdings.append(
                    Holding(
                        kind=kind,
                        name=name,
                        place=place,
                        parts=[part],
                        seconds=self.sizes[part] / speed,
                        made_at=made_at,
                        kept_by=self.retention.sources.get(place, ""),
                        young=self.retention.is_young(made_at),
                    )
                )

    def _look_at_the_rest(self) -> None:
        cache = self.cache
        counted = {
            cache.layers,
            cache.sources,
            cache.logs,
            cache.staging,
            cache.compiler_caches,
            cache.workspaces,
        }
        others = set(cache.root.iterdir()) - counted
        self.kinds["other"] += sum(usage(path, set()) for path in others) - self.kinds["commits"]
        self.kinds["other"] += _folders_alone((cache.root, cache.layers, cache.sources))

    def _hold_on(self, parts: set[int]) -> None:
        """Have what other refs than those of builds lead to counted with what is kept: dropping builds frees none of it."""
        self.holdings = [
            holding
            if parts.isdisjoint(holding.parts)
            else replace(holding, parts=[part for part in holding.parts if part not in parts])
            for holding in self.holdings
        ]

    def _part(self, kind: str, path: Path, seen: set[int]) -> int:
        """Count a tree of files as one part, and return its index."""
        size = usage(path, seen)
        self.kinds[kind] += size
        self.sizes.append(size)
        return len(self.sizes) - 1


def stored_builds(
    repository: Repository, refs: Mapping[str, str], retention: Retention
) -> tuple[StoredBuild, ...]:
    """Return every build that ``refs`` name with what keeps it, the oldest first; one dropped meanwhile is left out.

    Other commands may be at work: what is not among ``refs`` yet is not there.
    """
    found: list[StoredBuild] = []
    for name, checksum in refs.items():
        if name.startswith(_BUILDS):
            try:
                commit = repository.commit(checksum)
            except DamagedObject:
                if repository.ref(name) == checksum:
                    raise
                continue
            found.append(_stored_build(name.removeprefix(_BUILDS), commit, retention))
    return tuple(sorted(found, key=lambda build: (build.made_at, build.name, build.key)))


def _stored_build(key: str, commit: Commit, retention: Retention) -> StoredBuild:
    metadata = commit.metadata
    return StoredBuild(
        kind=metadata["kind"],
        name=metadata["name"],
        key=key,
        commit=commit.checksum,
        content=metadata["content"],
        made_at=int(metadata.get("adopted-at", metadata["built-at"])),
        size=int(metadata.get("size", 0)),
        seconds=sum(metadata.get("timings", {}).values()) / 1000,
        kept_by=retention.keys.get(key, ""),
    )


def _holding_of(build: StoredBuild, parts: Sequence[int], retention: Retention) -> Holding:
    return Holding(
        kind="build",
        name=build.name,
        place=build.key,
        parts=parts,
        seconds=build.seconds,
        made_at=build.made_at,
        kept_by=build.kept_by,
        young=retention.is_young(build.made_at),
    )


def usage(path: Path, seen: set[int]) -> int:
    """Return the bytes on the disk of a file or a folder with all in it, each inode once; ``seen`` gets what was counted."""
    total = 0
    for status in _statuses(str(path)):
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            if status.st_ino in seen:
                continue
            seen.add(status.st_ino)
        total += on_disk(status)
    return total


def _statuses(top: str) -> Iterator[os.stat_result]:
    """Yield what ``lstat`` says of all in a tree; what goes meanwhile is left out."""
    try:
        status = os.lstat(top)
    except FileNotFoundError:
        return
    yield status
    pending = [top] if stat.S_ISDIR(status.st_mode) else []
    while pending:
        try:
            with os.scandir(pending.pop()) as listing:
                for entry in listing:
                    try:
                        yield entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
        except FileNotFoundError:
            continue


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def _folders_alone(folders: Iterable[Path]) -> int:
    return sum(on_disk(os.lstat(folder)) for folder in folders if folder.exists())


def _touched(path: Path) -> float:
    """Return when something last changed at the top of a source that is kept; seconds since 1970."""
    inner = [path / name for name in ("HEAD", "FETCH_HEAD", "packed-refs", "objects", "refs")]
    times = []
    for place in (path, *inner):
        try:
            times.append(os.lstat(place).st_mtime)
        except (FileNotFoundError, NotADirectoryError):
            continue
    return max(times, default=0.0)


def _plural(kind: HoldingKind) -> str:
    return "definitions" if kind == "definitions" else f"{kind}s"
