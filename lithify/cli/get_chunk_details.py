"""``lithify get-chunk-details``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer
from msgspec import Struct

from lithify.cli.origin import RefOption, RepoOption, origin_of, read_definitions
from lithify.cli.reporting import reading_events
from lithify.definitions.links import chunk_of, declared_sources
from lithify.definitions.model import ChunkEntry, GitSource, Source, StratumFile, place_of
from lithify.definitions.nearest import did_you_mean
from lithify.definitions.tree import Definitions
from lithify.errors import LithifyError, UsageError
from lithify.graph.pins import source_identity
from lithify.sources.urls import expand_alias


class Listed(Struct, frozen=True, kw_only=True):
    """A chunk as a stratum lists it."""

    stratum: str
    file: str
    chunk: str
    sources: tuple[Source, ...]


def command(
    ctx: typer.Context,
    words: Annotated[
        list[str], typer.Argument(metavar="[STRATUM] CHUNK", help="the chunk, of any stratum or of one")
    ],
    repo: RepoOption = "",
    ref: RefOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """Print stratum, repository and ref of every chunk of that name.

    \b
    Examples:
      lithify get-chunk-details zlib
      lithify get-chunk-details userland zlib
    """
    if len(words) > 2:
        raise UsageError(f"too many arguments: {' '.join(words)}", hints=["[STRATUM] CHUNK"])
    stratum, name = words if len(words) == 2 else ("", words[0])
    stratum = stratum.rpartition("/")[2].removesuffix(".morph")
    with reading_events(ctx.obj) as report:
        definitions = read_definitions(ctx.obj, report, origin_of(repo, ref))
        strata = list(all_strata(definitions))
        asked = [one for one in strata if stratum in ("", one.name)]
        found = [
            listed(definitions, one, entry) for one in asked for entry in one.chunks if entry.name == name
        ]
    if not found:
        known = {entry.name for one in asked for entry in one.chunks}
        where = f" in stratum {stratum}" if stratum else ""
        missing, hint = f"chunk {name} not found{where}", did_you_mean(name, known)
        if stratum and not asked:
            missing = f"there is no stratum {stratum}"
            hint = did_you_mean(stratum, {one.name for one in strata})
        definitions.refuse_unreadable(missing)
        raise LithifyError(missing, hints=[hint] if hint else [])
    aliases = ctx.obj.settings.pull_aliases()
    if as_json:
        rows = [_data(one, aliases) for one in found]
        sys.stdout.write(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for one in found for line in _lines(one, aliases))


def all_strata(definitions: Definitions) -> Iterator[StratumFile]:
    """Yield all strata of a tree, whatever systems have them."""
    for name in definitions.all_files():
        loaded = definitions.loaded(name)
        if loaded is not None and isinstance(loaded.file, StratumFile):
            yield loaded.file


def listed(definitions: Definitions, stratum: StratumFile, entry: ChunkEntry) -> Listed:
    """Return a chunk with its sources, from its stratum or its file."""
    found, _ = chunk_of(definitions, entry)
    return Listed(
        stratum=stratum.name,
        file=place_of(stratum).file,
        chunk=entry.name,
        sources=declared_sources(entry, found.body if found is not None else None),
    )


def _lines(listed: Listed, aliases: dict[str, str]) -> Sequence[str]:
    lines = [f"In stratum {listed.stratum}:", f"  Chunk: {listed.chunk}"]
    for source in listed.sources:
        if isinstance(source, GitSource):
            lines.append(f"  Repository: {expand_alias(source.url, aliases)}")
            lines.append(f"  Ref: {source.ref or source.track}")
        else:
            lines.append(f"  Source: {source_identity(source)}")
    return lines


def _data(listed: Listed, aliases: dict[str, str]) -> dict[str, Any]:
    return {
        "stratum": listed.stratum,
        "file": listed.file,
        "chunk": listed.chunk,
        "sources": [
            {
                "kind": source.kind,
                "repo": expand_alias(source.url, aliases),
                "ref": source.ref or source.track,
            }
            if isinstance(source, GitSource)
            else {"kind": source.kind, "source": source_identity(source)}
            for source in listed.sources
        ],
    }
