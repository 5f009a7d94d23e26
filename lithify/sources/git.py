"""``git`` sources: a commit of a repository with its submodules, checked out of the mirrors in the cache."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from lithify.definitions.model import GitSource
from lithify.errors import FetchError, PinMismatch, SourceError
from lithify.events import Report, Warned, ignore
from lithify.graph.canonical import Value
from lithify.graph.pins import COMMIT, Pin, git_pin
from lithify.sources.context import SourceContext
from lithify.sources.git_mirror import Mirror, mirror_of
from lithify.sources.git_program import (
    HARDENED,
    complaint,
    complaint_hints,
    query_environment,
)
from lithify.sources.git_refs import listed_refs, newest_commit, resolve_refs
from lithify.sources.lock_words import join_words
from lithify.sources.tree import level
from lithify.sources.urls import is_local, relative_url, shown

_SECONDS = 3600.0

_CHECK_OUT = """\
umask 022
while [ $# -gt 0 ]; do
  mkdir -p "$3"
  git --git-dir="$1" --work-tree="$3" read-tree --reset -u "$2"
  rm -f "$GIT_INDEX_FILE"
  shift 3
done
"""
_KEEP_GIT = """\
umask 022
mirror=$1; commit=$2
git init -q --template= .
git config advice.detachedHead false
git fetch -q --no-tags --no-write-fetch-head --stdin -- "$mirror"
git update-ref --no-deref HEAD "$commit"
git read-tree "$commit"
"""


class CheckOut(Struct, frozen=True, kw_only=True):
    """One repository's part of a source: a commit, and where it goes."""

    mirror: Mirror
    commit: str
    path: str
    """Below the source; "" for the repository itself."""


class GitKind:
    """How ``git`` sources are pinned, fetched and laid out."""

    in_place = False

    def label(self, source: GitSource, pin: Pin | None) -> str:
        """Return what messages call the source."""
        return shown(source.url)

    def layout(self, source: GitSource) -> Mapping[str, Value]:
        """Return what of the declaration, beside the pin, decides how the tree looks: nothing."""
        return {}

    def pin(self, source: GitSource, context: SourceContext) -> Pin:
        """Ask the server what the ref means now, and fetch the commit with its submodules."""
        mirror = mirror_of(source.url, context)
        if source.track is not None:
            commit = newest_commit(listed_refs(mirror), source.track, mirror.url)
        else:
            commit = resolve_refs([source], context)[source]
        mirror.ensure(commit)
        checkouts = check_outs(source, commit, context, fetch=True)
        below: list[Value] = [[c.path, c.commit, c.mirror.tree(c.commit)] for c in checkouts[1:]]
        return git_pin(commit, fetch={"tree": mirror.tree(commit), "submodules": below})

    def is_fetched(self, source: GitSource, pin: Pin, context: SourceContext) -> bool:
        """Whether the commit and those of its submodules are in the cache."""
        try:
            check_outs(source, _commit(pin), context, fetch=False)
        except FetchError:
            return False
        return True

    def fetch(self, source: GitSource, pin: Pin, context: SourceContext) -> None:
        """Have the commit and those of its submodules in the cache."""
        check_outs(source, _commit(pin), context, fetch=True)

    def unpack(self, source: GitSource, pin: Pin, into: Path, context: SourceContext) -> None:
        """Check the commit out, submodules in it, without ``.git``."""
        checkouts = check_outs(source, _commit(pin), context, fetch=False, report=context.report)
        tree = pin.fetch.get("tree")
        if tree is not None and checkouts[0].mirror.tree(_commit(pin)) != tree:
            raise PinMismatch(
                f"the tree of commit {_commit(pin)} in {shown(source.url)} is not the pinned {tree}"
            )
        words = [w for c in checkouts for w in (str(c.mirror.path), c.commit, str(Path(into, c.path)))]
        index = into / ".lithify-index"
        done = context.sandbox()(
            _in_environment("sh", "-e", "-c", _CHECK_OUT, "sh", *words, index=index),
            readable=[c.mirror.path for c in checkouts],
            writable=[into],
            cwd=into,
            timeout=_SECONDS,
            expected=None,
        )
        if done.returncode != 0:
            raise SourceError(
                f"cannot check out {shown(source.url)}: {complaint(done.stderr)}",
                hints=complaint_hints(done.stderr),
            )
        level(into)
        _warn_of_large_files(source, into, context)

    def write_pin(self, pin: Pin) -> list[str]:
        """Return the lines of the lock file that stand for a pin."""
        lines = [join_words("commit", _commit(pin))]
        if "tree" in pin.fetch:
            lines.append(join_words("tree", str(pin.fetch["tree"])))
        below = pin.fetch.get("submodules", [])
        assert isinstance(below, Sequence)
        return lines + [join_words("submodule", *map(str, row)) for row in below if isinstance(row, Sequence)]

    def read_pin(self, lines: Sequence[Sequence[str]]) -> Pin:
        """Return the pin that lines of the lock file stand for; raises :class:`ValueError`."""
        fields = {words[0]: words[1] for words in lines if words[0] in ("commit", "tree") and len(words) == 2}
        below: list[Value] = [
            list(words[1:]) for words in lines if words[0] == "submodule" and len(words) == 4
        ]
        if len(fields) + len(below) != len(lines) or not COMMIT.match(fields.get("commit", "")):
            raise ValueError("a git source has a line with its commit, one with its tree, and its submodules")
        return git_pin(fields["commit"], fetch={"tree": fields.get("tree", ""), "submodules": below})

    def parts(self, pin: Pin) -> Mapping[str, str]:
        """Return what a person is shown of a pin, by name."""
        return {"commit": _commit(pin)}


def _commit(pin: Pin) -> str:
    return str(pin.digest_data["commit"])


def _in_environment(*argv: str, index: Path | None = None) -> list[str]:
    """Return a command with the environment of a git that asks a mirror: a sandbox takes none."""
    variables = {
        **query_environment(),
        "GIT_CONFIG_COUNT": str(len(HARDENED) // 2),
        **({"GIT_INDEX_FILE": str(index)} if index else {}),
    }
    for number, setting in enumerate(HARDENED[1::2]):
        name, _, value = setting.partition("=")
        variables[f"GIT_CONFIG_KEY_{number}"] = name
        variables[f"GIT_CONFIG_VALUE_{number}"] = value
    return ["/usr/bin/env", "-i", *(f"{name}={value}" for name, value in variables.items()), *argv]


def check_outs(
    source: GitSource, commit: str, context: SourceContext, *, fetch: bool, report: Report = ignore
) -> tuple[CheckOut, ...]:
    """Return all that a source's tree is checked out from: the repository first, each submodule after what it is in.

    With ``fetch``, missing commits are fetched; without it, :class:`FetchError` names the first that is missing. ``report``
    is told of submodules that stay empty.
    """
    overrides = dict(source.submodules)
    found: list[CheckOut] = []
    waiting = [CheckOut(mirror=mirror_of(source.url, context), commit=commit, path="")]
    while waiting:
        here = waiting.pop()
        if fetch:
            here.mirror.ensure(here.commit)
        elif not here.mirror.has(here.commit):
            raise FetchError(f"commit {here.commit} of {shown(here.mirror.url)} is not in the cache")
        found.append(here)
        below = list(_submodules(here, overrides, context, report))
        waiting.extend(reversed(below))
    return tuple(found)


def _submodules(
    here: CheckOut, overrides: Mapping[str, str], context: SourceContext, report: Report
) -> Iterator[CheckOut]:
    for link in here.mirror.links(here.commit):
        path = f"{here.path}/{link.path}" if here.path else link.path
        if link.name in overrides:
            mirror = mirror_of(overrides[link.name], context)
        elif not link.url:
            report(
                Warned(
                    text=f"{shown(here.mirror.url)}: nothing says where the submodule {path} comes from; left empty"
                )
            )
            continue
        else:
            url = relative_url(here.mirror.url, link.url)
            mirror = mirror_of(url, context)
            # Upstream may not name a folder of this machine; a definition may.
            if is_local(mirror.url) and not is_local(here.mirror.url):
                raise SourceError(
                    f"the submodule {path} of {shown(here.mirror.url)} has the local URL {link.url}",
                    hints=["give its URL in the chunk's `submodules`, if this is meant"],
                )
        yield CheckOut(mirror=mirror, commit=link.commit, path=path)


def _warn_of_large_files(source: GitSource, into: Path, context: SourceContext) -> None:
    attributes = into / ".gitattributes"
    if attributes.is_file() and not attributes.is_symlink() and b"filter=lfs" in attributes.read_bytes():
        context.report(
            Warned(text=f"{shown(source.url)} keeps files in Git LFS; their pointers are built, not they")
        )


def keep_git(source: GitSource, pin: Pin, into: Path, context: SourceContext) -> None:
    """Put ``.git`` beside a checked-out commit: HEAD at it, its history, and the tags that lead to it."""
    mirror = mirror_of(source.url, context)
    commit = _commit(pin)
    refs = [commit, *(f"{tag}:{tag}" for tag in mirror.merged_tags(commit))]
    done = context.sandbox()(
        _in_environment("sh", "-e", "-c", _KEEP_GIT, "sh", str(mirror.path), commit),
        readable=[mirror.path],
        writable=[into],
        cwd=into,
        stdin="".join(f"{ref}\n" for ref in refs).encode(errors="surrogateescape"),
        timeout=_SECONDS,
        expected=None,
    )
    if done.returncode != 0:
        raise SourceError(f"cannot keep .git of {shown(source.url)}: {complaint(done.stderr)}")


def refresh_index(into: Path, context: SourceContext) -> None:
    """Tell git in ``into`` that files have new times, so that none of them looks changed."""
    context.sandbox()(
        _in_environment("git", "update-index", "-q", "--refresh"), writable=[into], cwd=into, expected=None
    )
