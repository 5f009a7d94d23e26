"""All faults of a definitions tree in one run; no source is needed, and what is broken hides nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from lithify.definitions import links
from lithify.definitions.context import MAX_FAULTS
from lithify.definitions.folder import FileReader
from lithify.definitions.tree import Definitions, load
from lithify.errors import DefinitionErrors, Fault


def validate(root: Path, *, read: FileReader | None = None) -> tuple[Fault, ...]:
    """Return all faults of the tree below ``root``, sorted by place; a broken ``VERSION`` is the only one, then."""
    try:
        definitions = load(root, read=read)
    except DefinitionErrors as error:
        return error.faults
    return faults_of(definitions)


def faults_of(definitions: Definitions) -> tuple[Fault, ...]:
    """Return all faults of a tree, errors and warnings, sorted by place, each once."""
    faults: dict[Fault, None] = dict.fromkeys(definitions.defaults_faults)
    for name in definitions.all_files():
        loaded = definitions.loaded(name)
        if loaded is None:
            continue
        faults.update(dict.fromkeys(loaded.faults))
        if loaded.legible is not None:
            faults.update(dict.fromkeys(_bounded(links.links_of(definitions, loaded.legible))))
    faults.update(dict.fromkeys(definitions.unreadable_folders()))
    return tuple(sorted(faults, key=lambda fault: (fault.place, fault.message)))


def _bounded(faults: Iterable[Fault]) -> Iterator[Fault]:
    """Yield faults until so many errors were seen as are told apart for one file."""
    errors = 0
    for fault in faults:
        yield fault
        errors += fault.severity == "error"
        if errors >= MAX_FAULTS:
            return
