"""The figures of a system, counted straight from the YAML by a reader that shares nothing with the program."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

Files = Mapping[str, Mapping[str, Any]]


def files_of(root: Path) -> Files:
    """Return the data of each definition below a folder, by path."""
    paths = sorted(root.rglob("*.morph"))
    return {
        str(path.relative_to(root)): yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader) for path in paths
    }


def figures_of(files: Files, system: str, *, all_earlier: bool) -> tuple[int, ...]:
    """Return the columns of the corpus README's table for a system.

    ``all_earlier``: without ``build-depends`` a chunk depends on all before it in its stratum, as in format 0.
    """
    listed = [_path(one) for one in files[system]["strata"]]
    strata = _with_below(files, listed)
    members = {name: [chunk["name"] for chunk in files[name]["chunks"]] for name in strata}
    declared: dict[str, set[str]] = {}
    below: dict[str, set[str]] = {}
    bootstrap = set()
    for name in strata:
        lower = {chunk for one in files[name].get("build-depends") or [] for chunk in members[_path(one)]}
        for number, chunk in enumerate(files[name]["chunks"]):
            depends = chunk.get("build-depends")
            if depends is None:
                depends = members[name][:number] if all_earlier else []
            declared.setdefault(chunk["name"], set()).update(depends)
            below.setdefault(chunk["name"], set()).update(lower)
            if chunk.get("build-mode") == "bootstrap":
                bootstrap.add(chunk["name"])

    @cache
    def chain(chunk: str) -> int:
        return 1 + max((chain(other) for other in declared[chunk] | below[chunk]), default=0)

    return (
        len(listed),
        len(strata),
        len(declared),
        len({chunk for name in listed for chunk in members[name]} - bootstrap),
        len(bootstrap),
        sum(map(len, declared.values())),
        sum(map(len, below.values())),
        max(map(chain, declared)),
    )


def _path(reference: Mapping[str, str]) -> str:
    path = reference["morph"]
    return path if "/" in path or path.endswith(".morph") else f"{path}.morph"


def _with_below(files: Files, listed: list[str]) -> list[str]:
    """Return the strata and all that they build-depend on."""
    found: dict[str, None] = {}
    todo = list(listed)
    while todo:
        name = todo.pop()
        if name not in found:
            found[name] = None
            todo += [_path(one) for one in files[name].get("build-depends") or []]
    return list(found)
