"""Which systems are the same in two definitions trees, told by the files that they come from, without resolving them.

Names of strata and chunk files are followed as resolving does; what stands in two files is compared as the language has it,
so that a comment or the order of a mapping is no difference.
"""

from __future__ import annotations

from collections.abc import Iterator

from lithify.definitions.links import file_name
from lithify.definitions.model import SystemFile, place_of
from lithify.definitions.tree import Definitions
from lithify.errors import DefinitionErrors
from lithify.graph.strata import load_strata


class Sameness:
    """Compares two trees, each file once."""

    def __init__(self, old: Definitions, new: Definitions) -> None:
        self._old = old
        self._new = new
        self._differing: dict[str, bool] = {}
        self._everywhere = old.format != new.format or not _equal_defaults(old, new)

    def is_same(self, system: str) -> bool:
        """Return whether a system's graph is the same in both trees; False also where nobody can tell."""
        if self._everywhere:
            return False
        names = _files_of(self._new, system)
        return names is not None and not any(self._differs(name) for name in names)

    def _differs(self, name: str) -> bool:
        if name not in self._differing:
            before, after = self._old.loaded(name), self._new.loaded(name)
            if before is None or after is None:
                self._differing[name] = before is not after
            else:
                self._differing[name] = (
                    before.file is None or before.file != after.file or bool(before.errors or after.errors)
                )
        return self._differing[name]


def _equal_defaults(old: Definitions, new: Definitions) -> bool:
    try:
        return old.defaults == new.defaults
    except DefinitionErrors:
        return False


def _files_of(definitions: Definitions, system: str) -> Iterator[str] | None:
    """Return the names of all files that a system's graph is made from; None where a stratum cannot be read."""
    loaded = definitions.loaded(system)
    if loaded is None or not isinstance(loaded.file, SystemFile):
        return None
    strata, _ = load_strata(definitions, loaded.file)
    if strata is None:
        return None
    entries = (entry for stratum in strata.files.values() for entry in stratum.chunks)
    chunks = (file_name(entry.morph or f"{entry.name}.morph") for entry in entries)
    return iter((system, *(place_of(one).file for one in strata.files.values()), *chunks))
