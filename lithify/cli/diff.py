"""``lithify diff``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from lithify.cache import open_cache
from lithify.cli.invocation import Invocation
from lithify.cli.origin import RepoOption, read_definitions
from lithify.cli.render import fault_text
from lithify.cli.reporting import reading_events
from lithify.cli.systems import system_names
from lithify.definitions.model import GitSource
from lithify.definitions.tree import Definitions
from lithify.errors import DefinitionErrors, Fault, LithifyError, UsageError
from lithify.events import Report
from lithify.facts import Facts
from lithify.graph.difference import Change
from lithify.graph.model import SystemGraph
from lithify.graph.resolve import resolve
from lithify.graph.sameness import Sameness
from lithify.report.differences import (
    Describe,
    SystemDifference,
    as_data,
    compare,
    lines_by_system,
    text_lines,
)
from lithify.schedule.definitions_from_git import Origin
from lithify.sources.context import SourceContext
from lithify.sources.describing import Describer


def command(
    ctx: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(metavar="FROM TO [SYSTEM...]", help="two commits, and the systems to compare"),
    ],
    repo: RepoOption = "",
    to_repo: Annotated[str, typer.Option("--to-repo", help="the repository of TO, where it is another")] = "",
    by_system: Annotated[
        bool, typer.Option("--by-system", help="under each system's name all that differs in it")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print as JSON, by system")] = False,
) -> None:
    """Say what differs between two commits of the definitions: in the named systems, or in all. What differs in several
    systems is said once, unless it is asked for by system.

    Refs of chunks are shown as `git describe --tags` names them in the chunk's repository, which is fetched for it; with
    --no-git-update, and where it cannot be had, as they are written.

    \b
    Examples:
      lithify diff v1.0 HEAD
      lithify diff HEAD~1 HEAD systems/demo.morph
      lithify diff HEAD~1 HEAD --by-system
      lithify diff main main --to-repo ../fork
    """
    old_origin, new_origin, named = _meant(words, repo, to_repo)
    with reading_events(ctx.obj) as report:
        old = read_definitions(ctx.obj, report, old_origin)
        new = read_definitions(ctx.obj, report, new_origin)
        systems, broken = _compared(ctx.obj, old, new, named)
        if as_json:
            value = [as_data(system) for system in systems]
            sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
        else:
            facts, describe = _describing(ctx.obj, systems, report)
            try:
                lines = lines_by_system if by_system else text_lines
                sys.stdout.writelines(f"{line}\n" for line in lines(systems, describe))
            finally:
                facts.close()
    if broken:
        raise LithifyError(f"{broken} systems could not be compared")


def _meant(words: Sequence[str], repo: str, to_repo: str) -> tuple[Origin, Origin, tuple[str, ...]]:
    """Return the two commits and the names of systems; of morph's ``REPO REF [PATH..] - REPO REF [PATH..]`` too."""
    if "-" in words:
        at = words.index("-")
        before, after = words[:at], [word for word in words[at + 1 :] if word != "-"]
        if len(before) < 2 or len(after) < 2:
            raise UsageError("which commits?", hints=["lithify diff FROM TO [SYSTEM...]"])
        names = dict.fromkeys((*before[2:], *after[2:]))
        return Origin(repo=before[0], ref=before[1]), Origin(repo=after[0], ref=after[1]), tuple(names)
    if len(words) < 2:
        raise UsageError("missing argument TO", hints=["lithify diff FROM TO [SYSTEM...]"])
    first = repo or "."
    return Origin(repo=first, ref=words[0]), Origin(repo=to_repo or first, ref=words[1]), tuple(words[2:])


def _compared(
    invocation: Invocation, old: Definitions, new: Definitions, named: Sequence[str]
) -> tuple[list[SystemDifference], int]:
    """Return the differences of the named systems, or of all that are not the same, and how many could not be compared.

    Of all systems those are left out, with a warning, that are broken in both commits.
    """
    if named:
        files = [_located(invocation, old, new, name) for name in named]
        return [compare(file, _graph(old, file), _graph(new, file)) for file in files], 0
    found: list[SystemDifference] = []
    broken = 0
    faults: dict[Fault, None] = {}
    sameness = Sameness(old, new)
    for file in dict.fromkeys((*system_names(new), *system_names(old))):
        if sameness.is_same(file):
            continue
        try:
            found.append(compare(file, _graph(old, file), _graph(new, file)))
        except DefinitionErrors as error:
            faults.update(dict.fromkeys(fault for fault in error.faults if fault.severity == "error"))
            in_both = _is_broken(old, file) and _is_broken(new, file)
            broken += not in_both
            where = "in both" if in_both else "in one of the commits"
            invocation.messages.warn(
                f"warning: {file} is not compared: it is broken {where}: {error.message}"
            )
    for fault in faults:
        invocation.messages.warn(fault_text(fault))
    return found, broken


def _is_broken(definitions: Definitions, file: str) -> bool:
    try:
        _graph(definitions, file)
    except DefinitionErrors:
        return True
    return False


def _located(invocation: Invocation, old: Definitions, new: Definitions, name: str) -> str:
    try:
        return new.locate(name, kind="system", cwd=invocation.cwd)
    except LithifyError:
        return old.locate(name, kind="system", cwd=invocation.cwd)


def _graph(definitions: Definitions, file: str) -> SystemGraph | None:
    """Return a system's graph, or None where there is no such file."""
    if definitions.loaded(file) is None:
        return None
    return resolve(definitions, file)


def _describing(
    invocation: Invocation, systems: Sequence[SystemDifference], report: Report
) -> tuple[Facts, Describe]:
    """Return what describes refs, in the repositories that the chunks had before and have after."""
    settings = invocation.settings
    anything = any(change.what == "ref" for system in systems for change in system.changes)
    cache = open_cache(settings.cachedir.absolute()) if anything else None
    facts = Facts(settings.cachedir / "facts.sqlite")
    if cache is None:
        return facts, lambda change: (str(change.old), str(change.new))
    context = SourceContext(
        cache=cache,
        facts=facts,
        definitions_root=invocation.cwd,
        mirrors=settings.mirror,
        aliases=settings.pull_aliases(),
        report=report,
        no_git_update=settings.no_git_update,
        git_environment=invocation.environment,
    )
    describer = Describer(context)
    before, after = _repositories([s.old for s in systems]), _repositories([s.new for s in systems])

    def describe(change: Change) -> tuple[str, str]:
        old, new = (before[change.name], str(change.old)), (after[change.name], str(change.new))
        commit = describer.commit(*old)
        if commit is not None and commit == describer.commit(*new):
            return commit, commit
        return describer.describe(*old), describer.describe(*new)

    return facts, describe


def _repositories(graphs: Sequence[SystemGraph | None]) -> Mapping[str, str]:
    return {
        chunk.name: source.url
        for graph in graphs
        if graph is not None
        for chunk in graph.chunks.values()
        for source in chunk.sources
        if isinstance(source, GitSource)
    }
