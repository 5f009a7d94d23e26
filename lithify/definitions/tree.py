"""A definitions tree: its format, its defaults and its files, each read when it is asked for."""

from __future__ import annotations

import errno
import os
import posixpath
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from lithify.definitions import links
from lithify.definitions.builtin import Defaults
from lithify.definitions.checks import Language, check, check_defaults
from lithify.definitions.defaults import effective_defaults
from lithify.definitions.folder import FileReader, Folder
from lithify.definitions.formats import Format
from lithify.definitions.loading import File, Loaded, load_defaults, load_file
from lithify.definitions.model import (
    ChunkEntry,
    ChunkFile,
    ClusterFile,
    ClusterSystem,
    DefaultsFile,
    StratumFile,
    StratumSelection,
    SystemFile,
)
from lithify.definitions.nearest import nearest
from lithify.definitions.root import VERSION
from lithify.definitions.text import quoted
from lithify.definitions.version import read_version
from lithify.errors import DefinitionErrors, Fault, LithifyError, Place

DEFAULTS = "DEFAULTS"
_KIND = re.compile(rb"^kind:[ \t]*[\"']?(\w+)", re.MULTILINE)
"""As it stands in nearly every file."""
T = TypeVar("T", bound=File)


def load(root: Path, *, read: FileReader | None = None) -> Definitions:
    """Return the tree below ``root``, of which only ``VERSION`` is read at once; ``read`` gives files of a commit."""
    files = Folder(root) if read is None else read
    form, faults = read_version(_content(files, VERSION))
    _raise(faults)
    return Definitions(root, form, files)


def _content(files: FileReader, name: str) -> bytes | None:
    """Return a file's bytes, or None where it is not there; what cannot be read is an error that names it."""
    try:
        return files.read(name)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # no file can have it
            return None
        raise DefinitionErrors([Fault(place=Place(name), message=_reason(error))]) from error


def _reason(error: OSError) -> str:
    return f"cannot be read: {error.strerror or error}"


def _raise(faults: tuple[Fault, ...]) -> None:
    errors = tuple(fault for fault in faults if fault.severity == "error")
    if errors:
        raise DefinitionErrors(tuple(dict.fromkeys(errors)))


class Definitions:
    """A definitions tree. Each file is read once, when it is asked for; the tree is taken not to change meanwhile."""

    def __init__(self, root: Path, form: Format, files: FileReader) -> None:
        self.root = root
        self.format = form
        self._files = files
        self._loaded: dict[str, Loaded | None] = {}
        self._names_of: dict[str, list[str]] = {}
        """Kind → the files of that kind, once they are asked for."""

    # Files, as they are

    @cached_property
    def _defaults_file(self) -> tuple[DefaultsFile | None, tuple[Fault, ...]]:
        if self.format.defaults == "classic":
            return None, ()
        try:
            content = _content(self._files, DEFAULTS)
        except DefinitionErrors as error:
            return None, error.faults
        if content is None:
            return None, self._no_defaults()
        file, faults = load_defaults(DEFAULTS, content, self.format)
        return file, (*faults, *(check_defaults(file, self.format) if file else ()))

    def _no_defaults(self) -> tuple[Fault, ...]:
        if self.format.defaults != "file":
            return ()
        message = (
            f"there is no {DEFAULTS} file, so no build system but manual is defined, and nothing is split"
        )
        return (Fault(place=Place(DEFAULTS), message=message, severity="warning"),)

    @property
    def defaults_faults(self) -> tuple[Fault, ...]:
        """What is wrong with the file ``DEFAULTS``."""
        return self._defaults_file[1]

    @cached_property
    def defaults(self) -> Defaults:
        """Build systems and split rules that hold in this tree; DefinitionErrors where ``DEFAULTS`` is broken."""
        file, faults = self._defaults_file
        _raise(faults)
        return effective_defaults(self.format, file)

    @cached_property
    def language(self) -> Language:
        """What the checks of files depend on; the built-in defaults, where ``DEFAULTS`` is broken."""
        file, _ = self._defaults_file
        return Language(self.format, frozenset(effective_defaults(self.format, file).build_systems))

    def loaded(self, name: str) -> Loaded | None:
        """Return a file as far as it could be read, with its faults; None where there is none. Never raises."""
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def _load(self, name: str) -> Loaded | None:
        try:
            content = _content(self._files, name)
        except DefinitionErrors as error:
            return Loaded(name, None, error.faults)
        return None if content is None else self._parsed(name, content)

    def _parsed(self, name: str, content: bytes) -> Loaded:
        loaded = load_file(name, content, self.format)
        if loaded.legible is None:
            return loaded
        gone = None if loaded.remains is None else loaded.remains.gone
        faults = (*loaded.faults, *check(loaded.legible, self.language, gone))
        return Loaded(name, loaded.file, faults, loaded.remains)

    def exists(self, name: str) -> bool:
        """Whether there is a file or folder of that name."""
        return self._files.exists(name)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(self._files.names())

    def all_files(self) -> tuple[str, ...]:
        """Return the names of all ``.morph`` files, below the root."""
        return self._names

    def of_kind(self, kind: str) -> list[str]:
        """Return the names of all files of a kind, those too that are broken and say that they are of it."""
        return [name for name in self._names if self._kind(name) == kind]

    def unreadable_folders(self) -> tuple[Fault, ...]:
        """Return a warning for each folder that cannot be looked into; there may be definitions in it, or none."""
        unreadable = self._files.unreadable if self._names is not None else {}
        return tuple(
            Fault(place=Place(folder), message=f"cannot be read: {reason}", severity="warning")
            for folder, reason in unreadable.items()
        )

    def refuse_unreadable(self, missed: str) -> None:
        """Raise :class:`LithifyError` where folders or files of the tree cannot be read: ``missed`` may be in them."""
        files = [fault for name in self._names for fault in self._unreadable_file(name)]
        said = [f"{fault.place.file} {fault.message}" for fault in (*self.unreadable_folders(), *files)]
        if said:
            raise LithifyError(f"{missed}; {', '.join(said)}", hints=["what is in there is not known"])

    def _unreadable_file(self, name: str) -> tuple[Fault, ...]:
        try:
            _content(self._files, name)
        except DefinitionErrors as error:
            return error.faults
        return ()

    def similar(self, name: str, kind: str = "") -> str:
        """Return a hint that offers files of a kind with names like this one; empty where there are none."""
        if kind not in self._names_of:
            self._names_of[kind] = [
                one for one in self._names if not kind or (self._said_kind(one) or self._kind(one)) == kind
            ]
        names = self._names_of[kind]
        same = [one for one in names if posixpath.basename(one) == posixpath.basename(name)]
        near = same[:3] or nearest(name, names) or _of_similar_base(name, names)
        return f"did you mean {' or '.join(near)}?" if near else ""

    def _said_kind(self, name: str) -> str:
        """Return the kind that the text of a file says it is of, which is not read as YAML for it; empty where it does not."""
        try:
            said = _KIND.search(_content(self._files, name) or b"")
        except DefinitionErrors:
            return ""
        return said[1].decode() if said else ""

    def _kind(self, name: str) -> str:
        """Return the kind of a file, of a broken one as it says; empty where that is not known."""
        loaded = self.loaded(name)
        return loaded.file.kind if loaded and loaded.file else self._said_kind(name)

    def warnings(self) -> tuple[Fault, ...]:
        """Return the warnings of the files read so far, sorted by place."""
        found = [fault for loaded in self._loaded.values() if loaded for fault in loaded.faults]
        found += self._defaults_file[1]
        return tuple(sorted((f for f in found if f.severity == "warning"), key=lambda fault: fault.place))

    # Names given by a user, on the command line

    def locate(self, name: str, *, kind: str = "", cwd: Path | None = None) -> str:
        """Return the file that a user's ``name`` means.

        A path from ``cwd`` or an absolute one if a file of the tree is there, else one from the root; a bare name also
        finds the only file of that name (and ``kind``) in any folder. LithifyError with the nearest names where there
        is none.
        """
        path = links.file_name(name)
        here = None if cwd is None else self._below_root(cwd / path)
        for candidate in (here, self._below_root(self.root / path)):
            if candidate is not None and self.loaded(candidate) is not None:
                return candidate
        anywhere = [one for one in self._names if "/" not in name and posixpath.basename(one) == path]
        if len(anywhere) > 1 and kind:
            anywhere = [one for one in anywhere if self._kind(one) in (kind, "")] or anywhere
        if len(anywhere) == 1 and self._kind(anywhere[0]) in (kind, ""):
            return anywhere[0]
        if len(anywhere) < 2:
            self.refuse_unreadable(f"no {kind or 'definition'} {quoted(name)}")
        if len(anywhere) == 1:
            return anywhere[0]
        if anywhere:
            raise LithifyError(f"{quoted(name)} is the name of several files", hints=[", ".join(anywhere)])
        hint = self.similar(path, kind)
        raise LithifyError(f"no definition {quoted(name)}", hints=[hint] if hint else [])

    def _below_root(self, path: Path) -> str | None:
        below = os.path.relpath(os.path.abspath(path), os.path.abspath(self.root))
        return None if below == ".." or below.startswith("../") else below

    def system(self, name: str) -> SystemFile:
        """Return the system ``name``."""
        return self._of_kind(name, SystemFile)

    def stratum(self, name: str) -> StratumFile:
        """Return the stratum ``name``."""
        return self._of_kind(name, StratumFile)

    def chunk(self, name: str) -> ChunkFile:
        """Return the chunk file ``name``."""
        return self._of_kind(name, ChunkFile)

    def cluster(self, name: str) -> ClusterFile:
        """Return the cluster ``name``."""
        return self._of_kind(name, ClusterFile)

    def _of_kind(self, name: str, wanted: type[T]) -> T:
        path = self.locate(name, kind=wanted.kind_of_mapping)
        file, faults = links.find(self, path, wanted, Place(path))
        return _found(file, faults)

    # Names given in definitions

    def selected(self, selection: StratumSelection) -> StratumFile:
        """Return the stratum that a system selects; DefinitionErrors at the place of its name."""
        return _found(*links.selected_stratum(self, selection))

    def system_of(self, part: ClusterSystem) -> SystemFile:
        """Return the system that a cluster deploys."""
        return _found(*links.system_of(self, part))

    def chunk_of(self, entry: ChunkEntry) -> links.FoundChunk:
        """Return how an entry's chunk is built."""
        return _found(*links.chunk_of(self, entry))

    def chunk_from(self, name: str, content: bytes) -> ChunkFile:
        """Return the chunk file ``name`` of a chunk's own repository, as formats 0 and 1 have them."""
        loaded = self._parsed(name, content)
        _raise(loaded.faults)
        if not isinstance(loaded.file, ChunkFile):
            raise DefinitionErrors([Fault(place=Place(name), message=f"{quoted(name)} is not a chunk")])
        return loaded.file


def _of_similar_base(name: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return those of ``names``, in any folder, whose own names are like this one's."""
    bases: dict[str, list[str]] = {}
    for one in names:
        bases.setdefault(posixpath.basename(one), []).append(one)
    return tuple(one for base in nearest(posixpath.basename(name), bases) for one in bases[base])[:3]


Found = TypeVar("Found")


def _found(found: Found | None, faults: tuple[Fault, ...]) -> Found:
    _raise(faults)
    if found is None:
        raise DefinitionErrors(faults)
    return found
