"""Splitting: which file belongs to which artifact of a chunk, and which chunk artifact to which artifact of a stratum.

The same two rules for both: the first rule that matches wins, and a pattern is matched from the start of the name
(``re.match``), not against all of it. What a definition lists (``products``) stands before the defaults, and a default that
makes an artifact of the same name is dropped. Every artifact is made, even an empty one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

from lithify.definitions.matching import matcher
from lithify.errors import LithifyError
from lithify.graph.model import SplitRule, StratumArtifact

NamedRules = Sequence[tuple[str, Sequence[str]]]
"""(name of an artifact, or the suffix of one, patterns), in order."""


class UnsplitFiles(LithifyError):
    """Files that no split rule gives to an artifact."""

    def __init__(self, paths: Sequence[str]) -> None:
        shown = ", ".join(paths[:5]) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")
        super().__init__(
            f"no split rule matches {shown}",
            hints=[
                "add a last rule that includes `.*` to the products of the chunk, or to the split rules in DEFAULTS"
            ],
        )
        self.paths = tuple(paths)


def split_rules(name: str, products: NamedRules, defaults: NamedRules) -> tuple[SplitRule, ...]:
    """Return the rules of the chunk or stratum ``name``: its products, then the defaults that none of them replaces.

    ``products`` have whole names, ``defaults`` suffixes (``-libs``). Without any rule all is one artifact ``name``.
    """
    rules = [(f"{name}{suffix}", include) for suffix, include in defaults]
    if products:
        taken = {artifact for artifact, _ in products}
        rules = [*products, *(rule for rule in rules if rule[0] not in taken)]
    return tuple(
        [
            SplitRule(artifact=artifact, include=tuple(include))
            for artifact, include in rules or [(name, (".*",))]
        ]
    )


def assign(paths: Iterable[str], rules: Sequence[SplitRule]) -> dict[str, list[str]]:
    """Return what each artifact gets of ``paths`` (relative, without leading slash), in their order.

    Folders and symlinks are matched as files are. Raises :class:`UnsplitFiles` for what no rule matches.
    """
    parts: dict[str, list[str]] = {rule.artifact: [] for rule in rules}
    tests = [(parts[rule.artifact], _matcher(rule.include)) for rule in rules]
    left_over = []
    for path in paths:
        for part, matches in tests:
            if matches(path):
                part.append(path)
                break
        else:
            left_over.append(path)
    if left_over:
        raise UnsplitFiles(left_over)
    return parts


@lru_cache(maxsize=1024)
def _matcher(include: tuple[str, ...]) -> Callable[[str], object]:
    """Return the test whether any of the patterns matches from the start."""
    return matcher(include)


def stratum_artifacts(
    chunks: Iterable[tuple[str, Sequence[str]]],
    assigned: Mapping[tuple[str, str], str],
    rules: Sequence[SplitRule],
) -> tuple[StratumArtifact, ...]:
    """Return the artifacts of a stratum, each with its members in the order of ``chunks``.

    ``chunks``: (chunk, its artifacts), without those in bootstrap mode. ``assigned``: (chunk, chunk artifact) → stratum
    artifact, as the chunk entries say by ``artifacts:``; this goes before all rules, and makes artifacts of its own.
    """
    members: dict[str, list[tuple[str, str]]] = {
        name: [] for name in (*assigned.values(), *(rule.artifact for rule in rules))
    }
    tests = [(rule.artifact, _matcher(rule.include)) for rule in rules]
    for chunk, artifacts in chunks:
        for artifact in artifacts:
            target = assigned.get((chunk, artifact)) or next((n for n, test in tests if test(artifact)), None)
            if target is not None:
                members[target].append((chunk, artifact))
    return tuple(StratumArtifact(name=name, members=tuple(found)) for name, found in members.items())
