"""Everything in the cache against what it should be: what is damaged, what it belongs to, and what mends it.

Changes nothing. Other commands may work meanwhile: what looks damaged is looked at again while no garbage is collected.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct

from lithify.build.checking import commit_fault, ref_fault
from lithify.cache import CacheFolder
from lithify.errors import DefinitionErrors, HostError, SourceError
from lithify.events import CheckProgress, Report
from lithify.facts import facts_fault
from lithify.schedule.ownership import Builds, Owner
from lithify.schedule.standing import is_whole
from lithify.sources.checking import file_fault, files_by_digest, mirror_fault, mirrors
from lithify.sources.lock import read_lock
from lithify.store.damage import DamagedObject
from lithify.store.gobject import open_repository
from lithify.store.layer_checking import layer_fault, layers_of
from lithify.store.reach import all_commits, reach
from lithify.store.reading import Repository
from lithify.store.ref_checking import ref_faults
from lithify.store.signing import TrustedKeys, signature_fault
from lithify.store.verifying import verify
from lithify.store.writing import Store

MENDS: Mapping[str, str] = {
    "object": "--repair drops it and the builds that hold it; the next build makes them again",
    "ref": "--repair drops it; the next build finds what it named, or makes it again",
    "layer": "--repair puts it aside; its next use makes it again from the store",
    "repository": "--repair puts the mirror aside; its next use fetches it again",
    "archive": "--repair removes it; its next use fetches it again",
    "package": "--repair removes it; its next use fetches it again",
    "facts": "--repair begins the file anew; every fact in it is asked again",
    "log": "--repair puts it aside; nothing else needs it",
    "answer": "--repair removes it; the next build finds out anew",
    "lock": "--repair removes it; whoever needs it makes it again",
    "signature": "build it again with a key that is trusted, or name its key in the setting trusted-keys",
    "lock file": "take it from version control, or remove what is broken and run `lithify lock`",
}
"""Kind of damage → what mends it."""
BY_HAND = frozenset({"lock file", "signature"})
"""What is the user's own, and so not ours to mend."""


class Damage(Struct, frozen=True, kw_only=True):
    """Something in the cache that is not what it should be."""

    what: str
    """A key of :data:`MENDS`."""
    name: str
    """What it is called in the cache: an object's kind and checksum, or a path below the cache folder."""
    reason: str
    owners: tuple[Owner, ...] = ()
    found: DamagedObject | None = None
    """The error, of an object."""

    @property
    def mend(self) -> str:
        """What mends it."""
        return MENDS[self.what]


class Inspection(Struct, frozen=True, kw_only=True):
    """What was looked at, and what is wrong."""

    counts: Mapping[str, int]
    """``objects``, ``refs``, ``layers`` and so on → how many were checked."""
    damages: tuple[Damage, ...]


def inspect(
    cache: CacheFolder,
    report: Report,
    *,
    lock_file: Path | None = None,
    trusted: TrustedKeys | None = None,
) -> Inspection:
    """Check the whole cache, and the definitions' lock file where one is given; in the store's namespace.

    With keys that are trusted, every commit that a ref names must have a signature by one of them.
    """
    looker = _Looker(cache, report)
    counts = {}
    damages: list[Damage] = []
    for what, look in looker.parts(lock_file, trusted):
        found = look()
        counts[what] = found[0]
        damages += found[1]
    return Inspection(counts=counts, damages=tuple(damages))


_Found = tuple[int, list[Damage]]


class _Looker:
    """Looks at one part of the cache after the other; later ones use what earlier ones found."""

    def __init__(self, cache: CacheFolder, report: Report) -> None:
        self._cache = cache
        self._report = report
        self._repository = Repository(cache.ostree)
        self._inodes: frozenset[int] = frozenset()
        self._builds = Builds(self._repository)

    def parts(
        self, lock_file: Path | None, trusted: TrustedKeys | None
    ) -> Iterator[tuple[str, Callable[[], _Found]]]:
        """Yield each part's name, and what looks at it."""
        cache = self._cache
        yield "objects", self._objects
        yield "refs", self._refs
        if trusted is not None:
            yield "signatures", partial(self._signatures, trusted)
        yield "layers", self._layers
        yield "repositories", partial(self._each, "repository", mirrors(cache), mirror_fault)
        yield "archives", partial(self._each, "archive", files_by_digest(cache, "archives"), file_fault)
        yield "packages", partial(self._each, "package", files_by_digest(cache, "debian"), file_fault)
        yield "logs", self._logs
        yield "answers", partial(self._each, "answer", _entries(cache.standing, "*.json"), _answer_fault)
        yield "facts", partial(self._each, "facts", _entries(cache.root, cache.facts.name), facts_fault)
        yield "locks", partial(self._each, "lock", _entries(cache.locks, "*"), _lock_fault)
        if lock_file is not None and lock_file.exists():
            yield "lock files", partial(_pins, lock_file)

    def _objects(self) -> _Found:
        verified = verify(self._repository, progress=self._progress("objects"))
        self._inodes = verified.inodes
        damaged = list(verified.damaged)
        commits = {error.checksum for error in damaged if error.kind == "commit"}
        for checksum in sorted({*self._repository.refs().values()} - commits):
            try:
                reason = commit_fault(self._repository, checksum)
            except DamagedObject:
                continue  # listed already
            if reason:
                damaged.append(DamagedObject("commit", checksum, f"is wrong about itself: {reason}"))
        # what a ref names is told with the ref
        still = [error for error in self._still_damaged(damaged) if not self._is_only_named(error)]
        owners = self._builds.owners({(error.kind, error.checksum) for error in still})
        return verified.objects, [
            Damage(
                what="object",
                name=f"{error.kind} {error.checksum}",
                reason=error.reason,
                owners=owners[error.kind, error.checksum],
                found=error,
            )
            for error in still
        ]

    def _is_only_named(self, error: DamagedObject) -> bool:
        return error.kind == "commit" and not self._repository.has(error.checksum, "commit")

    def _still_damaged(self, damaged: Sequence[DamagedObject]) -> list[DamagedObject]:
        """Leave out what was collected as garbage while we looked."""
        if not damaged or all(error.reason != "is missing" for error in damaged):
            return list(damaged)
        with _no_collection(self._cache):
            fresh = Repository(self._cache.ostree)
            reached = reach(fresh, sorted({*fresh.refs().values(), *_whole_commits(fresh)}))
            there = {("commit", name) for name in reached.commits} | {
                ("file", name) for name in reached.files
            }
            there |= {("dirtree", name) for name in reached.dirtrees}
            there |= {("dirmeta", name) for name in reached.dirmetas}
            return [
                error
                for error in damaged
                if error.reason != "is missing"
                or ((error.kind, error.checksum) in there and not fresh.has(error.checksum, error.kind))
            ]

    def _refs(self) -> _Found:
        refs = self._repository.refs()
        faults = dict(ref_faults(self._repository))
        for name, checksum in refs.items():
            try:
                reason = ref_fault(name, self._repository.commit(checksum))
            except DamagedObject:
                continue  # the commit is listed itself
            if reason:
                faults.setdefault(name, reason)
        damages = [
            Damage(what="ref", name=name, reason=reason, owners=self._builds.owners_of_ref(name))
            for name, reason in sorted(faults.items())
        ]
        return len(refs.keys() | faults.keys()), damages

    def _signatures(self, trusted: TrustedKeys) -> _Found:
        commits = sorted({*self._repository.refs().values()})
        repo = open_repository(self._cache.ostree) if commits else None
        progress = self._progress("signatures")
        damages = []
        for number, checksum in enumerate(commits):
            progress(number, len(commits))
            try:
                data = Path(self._repository.place(checksum, "commit")).read_bytes()
            except OSError:
                continue  # the commit is listed itself
            reason = signature_fault(repo, self._cache.ostree, checksum, data, trusted)
            if reason:
                owners = self._builds.owners([("commit", checksum)])["commit", checksum]
                damages.append(
                    Damage(what="signature", name=f"of commit {checksum}", reason=reason, owners=owners)
                )
        progress(len(commits), len(commits))
        return len(commits), damages

    def _layers(self) -> _Found:
        def fault(layer: Path) -> str:
            return layer_fault(layer, self._repository, self._inodes)

        count, damages = self._each(
            "layer", layers_of(self._cache.layers), fault, self._builds.owners_of_content
        )
        if damages:  # gc removes objects before the layers that were made of them
            with _no_collection(self._cache):
                damages = [damage for damage in damages if fault(self._cache.root / damage.name)]
        return count, damages

    def _logs(self) -> _Found:
        digests = self._builds.logs()

        def fault(log: Path) -> str:
            try:
                content = log.read_bytes()
            except OSError as error:
                return f"cannot be read: {error.strerror}" if log.exists() else ""
            same = hashlib.sha256(content).hexdigest() == digests.get(log.stem, "")
            return "" if same or log.stem not in digests else "is not what the build wrote"

        return self._each("log", _entries(self._cache.logs, "*.log"), fault, self._builds.owners_of_key)

    def _each(
        self,
        what: str,
        paths: Sequence[Path],
        fault: Callable[[Path], str],
        owners: Callable[[str], tuple[Owner, ...]] = lambda name: (),
    ) -> _Found:
        progress = self._progress("repositories" if what == "repository" else f"{what.removesuffix('s')}s")
        damages = []
        for number, path in enumerate(paths):
            progress(number, len(paths))
            reason = fault(path)
            if reason:
                name = str(path.relative_to(self._cache.root))
                damages.append(Damage(what=what, name=name, reason=reason, owners=owners(path.stem)))
        progress(len(paths), len(paths))
        return len(paths), damages

    def _progress(self, what: str) -> Callable[[int, int], None]:
        return lambda done, total: self._report(CheckProgress(what=what, done=done, total=total))


def _whole_commits(repository: Repository) -> Iterable[str]:
    return (name for name in all_commits(repository) if not repository.is_partial(name))


@contextmanager
def _no_collection(cache: CacheFolder) -> Iterator[None]:
    """Keep garbage from being collected; where nothing can be written, nothing is collected either."""
    try:
        lock: Any = Store(cache, sync=False).shared_lock()
    except HostError:
        lock = nullcontext()
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        lock = nullcontext()
    with lock:
        yield


def _entries(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))


def _answer_fault(path: Path) -> str:
    try:
        return "" if is_whole(path.read_bytes()) else "is not as it was written"
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _lock_fault(path: Path) -> str:
    return "" if (path.is_file() and not path.is_symlink()) or not path.exists() else "is no plain file"


def _pins(lock_file: Path) -> _Found:
    try:
        read_lock(lock_file)
    except DefinitionErrors as error:
        return 1, [
            Damage(
                what="lock file",
                name=f"{fault.place.file}:{fault.place.line}",
                reason=fault.message,
            )
            for fault in error.faults
        ]
    except SourceError as error:
        return 1, [Damage(what="lock file", name=str(lock_file), reason=error.message)]
    return 1, []
