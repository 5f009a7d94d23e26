"""Definitions trees in memory: from text, or from plain data that a test changes, and big ones of a realistic shape."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from lithify.definitions.tree import Definitions, load

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Memory:
    """The files of a definitions tree, in memory."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self.unreadable: Mapping[str, str] = {}

    def read(self, name: str) -> bytes:
        try:
            return self._files[name]
        except KeyError:
            raise FileNotFoundError(name) from None

    def exists(self, name: str) -> bool:
        return any(path == name or path.startswith(f"{name}/") for path in self._files)

    def names(self) -> Iterator[str]:
        return (name for name in sorted(self._files) if name.endswith(".morph"))


def tree(files: Mapping[str, str | Mapping[str, Any]], *, version: int | None = 9) -> Definitions:
    """Return the tree of these files: name → text (indented as it likes), or what stands in it."""
    made = {name: _bytes(content) for name, content in files.items()}
    if version is not None:
        made["VERSION"] = f"version: {version}\n".encode()
    return load(Path("/definitions"), read=Memory(made))


def _bytes(content: str | Mapping[str, Any]) -> bytes:
    if isinstance(content, str):
        return textwrap.dedent(content).encode()
    return yaml.dump(content, sort_keys=False, allow_unicode=True).encode()


def stratum(name: str, chunks: Sequence[Mapping[str, Any]], *below: str, **fields: Any) -> dict[str, Any]:
    """Return the content of a stratum file, built upon the strata ``below``."""
    return {
        "name": name,
        "kind": "stratum",
        "build-depends": [{"morph": f"strata/{other}.morph"} for other in below],
        "chunks": list(chunks),
        **fields,
    }


def chunk(name: str, *below: str, **fields: Any) -> dict[str, Any]:
    """Return a chunk entry that build-depends on ``below``; underscores in field names are dashes."""
    own = {key.replace("_", "-"): value for key, value in fields.items()}
    entry: dict[str, Any] = {"name": name, "repo": f"upstream:{name}", "ref": COMMIT}
    if not {"morph", "build-system", "build-commands"} & own.keys():
        entry["build-system"] = "autotools"
    if below:
        entry["build-depends"] = list(below)
    return {**entry, **own}


def system(*strata: str | Mapping[str, Any], name: str = "demo", **fields: Any) -> dict[str, Any]:
    """Return the content of a system file; a stratum is a name, or an entry as it is."""
    selections = [{"morph": f"strata/{one}.morph"} if isinstance(one, str) else dict(one) for one in strata]
    own = {key.replace("_", "-"): value for key, value in fields.items()}
    return {"name": name, "kind": "system", "arch": "x86_64", "strata": selections, **own}


def files(system_file: Mapping[str, Any], *strata: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return a tree of one system ``systems/NAME.morph`` and strata ``strata/NAME.morph``."""
    return {
        f"systems/{system_file['name']}.morph": system_file,
        **{f"strata/{one['name']}.morph": one for one in strata},
    }


def big_tree(count: int, *, stratum_size: int = 40) -> Definitions:
    """Return a tree of ``count`` chunks whose system is ``systems/big.morph``.

    Its shape is that of real ones: a stratum of bootstrap chunks first, then strata that each build-depend on up to three
    earlier ones, most of these near; a chunk build-depends on up to four earlier ones of its stratum.
    """
    made: list[Mapping[str, Any]] = []
    for first in range(0, count, stratum_size):
        number = first // stratum_size
        names = [f"chunk-{index}" for index in range(first, min(first + stratum_size, count))]
        chunks = []
        for place, name in enumerate(names):
            below = sorted({names[place - step] for step in (1, 3, 7, 12) if step <= place})
            mode = "bootstrap" if number == 0 and place < min(10, count // 3) else "staging"
            chunks.append(chunk(name, *below[: 1 + place % 4], build_mode=mode))
        strata_below = sorted({number - step for step in (1, 2, 5) if step <= number})
        made.append(stratum(f"stratum-{number}", chunks, *(f"stratum-{other}" for other in strata_below)))
    return tree(files(system(*(one["name"] for one in made), name="big"), *made))
