"""Branches that keep commits in their repositories: all of them are pushed, or none is.

Who cannot push to one repository has changed none: before anything is pushed, each is asked what would come of it. What was
pushed is taken back where a later push is refused, and after Ctrl-C; a branch that was there before stays in any case.
"""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack

from msgspec import Struct

from lithify.errors import FetchError, LithifyError, SourceError
from lithify.events import Note, Report, Warned
from lithify.process import start
from lithify.sources.context import SourceContext
from lithify.sources.git_mirror import Mirror
from lithify.sources.git_program import HARDENED, complaint, complaint_hints, fetching_environment
from lithify.sources.urls import shown

_AT_ONCE = 8
"""Servers that are asked at the same time."""
_LONGEST = 3600.0
"""Seconds that a push may take."""
_PATIENCE = 30.0
"""Seconds that a push may take to end once the user wants to stop: cut off, nobody knows what the server makes of it."""
_MOST_HINTS = 5
_PLAIN = ("-c", "push.followTags=false", "-c", "push.recurseSubmodules=no")
_OTHER = "it leads to another commit already"
"""What ``stale info`` means of a branch that is named by its commit."""


class Anchor(Struct, frozen=True, kw_only=True):
    """A branch that keeps a commit."""

    ref: str
    """The whole name: ``refs/heads/…``."""
    commit: str
    chunks: tuple[str, ...]
    """Which are made from it."""


class Target(Struct, frozen=True, kw_only=True):
    """A repository that gets anchors."""

    repository: str
    """As the definitions have it."""
    url: str
    """Where it is pushed to."""
    mirror: Mirror
    """Has the commits."""
    anchors: tuple[Anchor, ...]


class Answer(Struct, frozen=True, kw_only=True):
    """What came of a push, or would."""

    changed: frozenset[str]
    """Refs that were made or deleted."""
    refused: tuple[str, ...]
    """``REF: why`` of those that were not taken."""
    unknown: tuple[str, ...]
    """Refs of which git tells nothing: nobody knows what the server has done."""
    said: bytes
    """Standard error."""


class _Begun(Struct, kw_only=True):
    """A push that was begun."""

    target: Target
    wanted: frozenset[str]
    """Refs that were not there before it."""
    made: frozenset[str] | None = None
    """What it made; None where nobody knows."""


def make_anchors(targets: Sequence[Target], context: SourceContext) -> list[frozenset[str]]:
    """Push all anchors of all targets; return which refs were made for each, without those that were there.

    Raises :class:`SourceError` naming the repository that refuses one, with nothing left of this run in any.
    """
    missing = _looked_at(targets, context)
    begun: list[_Begun] = []
    try:
        for target, wanted in zip(targets, missing, strict=True):
            begun.append(_Begun(target=target, wanted=wanted))
            _push(begun[-1], context)
    except BaseException as error:
        taken = _take_back(begun, context)
        if isinstance(error, LithifyError) and taken:
            text = "1 anchor that was made" if taken == 1 else f"{taken} anchors that were made"
            error.hints = (*error.hints, f"{text} before {'is' if taken == 1 else 'are'} taken back")
        raise
    return [one.made or frozenset() for one in begun]


def _looked_at(targets: Sequence[Target], context: SourceContext) -> list[frozenset[str]]:
    """Return for each target the refs that are not there; nothing is changed.

    Raises the errors of all targets that cannot be pushed to.
    """
    found: list[frozenset[str]] = []
    errors: list[LithifyError] = []
    for begin in range(0, len(targets), _AT_ONCE):
        batch = targets[begin : begin + _AT_ONCE]
        with ExitStack() as running:
            children = [
                running.enter_context(_started(target, target.anchors, context, "--dry-run"))
                for target in batch
            ]
            for child in children:
                running.callback(child.kill)
            for target, child in zip(batch, children, strict=True):
                answer = _ended(child, [anchor.ref for anchor in target.anchors])
                found.append(answer.changed)
                error = _refusal(target, answer)
                errors += [error] if error is not None else []
    raise_all(errors)
    return found


def raise_all(errors: Sequence[LithifyError]) -> None:
    """Raise the errors of several repositories as one, or the only one; nothing where there is none."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        lines = [f"{len(errors)} repositories cannot be used", *(error.message for error in errors)]
        hints = dict.fromkeys(hint for error in errors for hint in error.hints)
        raise SourceError("\n".join(lines), hints=[*hints][:_MOST_HINTS])


def _push(begun: _Begun, context: SourceContext) -> None:
    target = begun.target
    if not begun.wanted:
        return
    context.report(Note(text=f"anchors go to {shown(target.repository)}"))
    with _started(target, _named(target, begun.wanted), context) as child:
        out, said, interrupted = _to_its_end(child, target, context.report)
    answer = _answer(out, said, sorted(begun.wanted))
    if not answer.unknown:
        begun.made = answer.changed
    if interrupted:
        raise KeyboardInterrupt
    error = _refusal(target, answer)
    if error is not None:
        raise error


def _named(target: Target, refs: Collection[str]) -> tuple[Anchor, ...]:
    return tuple(anchor for anchor in target.anchors if anchor.ref in refs)


def _started(
    target: Target, anchors: Iterable[Anchor], context: SourceContext, *options: str, delete: bool = False
) -> subprocess.Popen[bytes]:
    """Start a push that makes refs which are not there, or deletes those that are as we made them.

    In a session of its own: Ctrl-C is for us, who let it end and take back what it made.
    """
    anchors = tuple(anchors)
    leases = [f"--force-with-lease={one.ref}:{one.commit if delete else ''}" for one in anchors]
    refspecs = [f"{'' if delete else one.commit}:{one.ref}" for one in anchors]
    line = ["git", *HARDENED, *_PLAIN, f"--git-dir={target.mirror.path}", "push", "--porcelain"]
    return start(
        [*line, *options, *leases, "--", target.url, *refspecs],
        env=fetching_environment(target.url, context.git_environment),
        new_session=True,
    )


def _ended(child: subprocess.Popen[bytes], refs: Sequence[str]) -> Answer:
    """Return what a push tells at its end; it is ended where it takes too long, or where we are."""
    try:
        out, said = child.communicate(timeout=_LONGEST)
    except subprocess.TimeoutExpired:
        child.kill()
        out, said = b"", b"fatal: it does not answer"
    except BaseException:
        child.kill()
        raise
    return _answer(out, said, refs)


def _to_its_end(child: subprocess.Popen[bytes], target: Target, report: Report) -> tuple[bytes, bytes, bool]:
    """Return both outputs of a push, and whether the user wants to stop: then it has a little time to end."""
    interrupted = False
    while True:
        try:
            out, said = child.communicate(timeout=_PATIENCE if interrupted else _LONGEST)
            return out, said, interrupted
        except KeyboardInterrupt:
            report(
                Warned(
                    text=f"interrupted: the push to {shown(target.repository)} ends, then all is taken back"
                )
            )
            interrupted = True
        except subprocess.TimeoutExpired:
            child.kill()
            return b"", b"fatal: it did not end", interrupted


def _answer(out: bytes, said: bytes, refs: Sequence[str]) -> Answer:
    """Return what ``git push --porcelain`` tells: a line for each ref, of a mark, FROM:TO, and what came of it."""
    told: dict[str, tuple[str, str]] = {}
    for line in out.decode(errors="surrogateescape").splitlines():
        mark, _, rest = line.partition("\t")
        pair, tab, summary = rest.partition("\t")
        if tab:
            told[pair.rpartition(":")[2]] = (mark, summary)
    return Answer(
        changed=frozenset(ref for ref in refs if ref in told and told[ref][0] in "*-"),
        refused=tuple(
            f"{ref}: {_reason(told[ref][1])}" for ref in refs if ref in told and told[ref][0] == "!"
        ),
        unknown=tuple(ref for ref in refs if ref not in told),
        said=said,
    )


def _reason(summary: str) -> str:
    """Return what stands in brackets at the end of a summary, or all of it."""
    inner = summary.partition("(")[2].rpartition(")")[0] or summary
    return _OTHER if inner == "stale info" else inner


def _refusal(target: Target, answer: Answer) -> SourceError | None:
    name = shown(target.repository)
    if answer.refused:
        first, *more = answer.refused
        told = [line for line in complaint_hints(answer.said) if line.startswith("remote: ")]
        hints = [*(f"and {line}" for line in more), *(line.rstrip() for line in told)]
        return SourceError(f"the repository {name} refuses {first}", hints=hints)
    if answer.unknown:
        where = f" ({shown(target.url)})" if target.url != target.repository else ""
        return FetchError(
            f"cannot push to the repository {name}{where}: {complaint(answer.said)}",
            hints=complaint_hints(answer.said),
        )
    return None


def _take_back(begun: list[_Begun], context: SourceContext) -> int:
    """Delete what was made, the last first; return how many that were. What stays is told, with what removes it.

    Another Ctrl-C while it works begins its push anew; the one after it ends all at once.
    """
    taken = 0
    while begun:
        try:
            taken += _take_back_one(begun[-1], context)
        except KeyboardInterrupt:
            continue
        except LithifyError as error:
            context.report(Warned(text=error.message))
        begun.pop()
    return taken


def _take_back_one(begun: _Begun, context: SourceContext) -> int:
    target = begun.target
    made = _named(target, begun.wanted if begun.made is None else begun.made)
    if not made:
        return 0
    with _started(target, made, context, delete=True) as child:
        answer = _ended(child, [anchor.ref for anchor in made])
    for line in (*answer.refused, *(f"{ref}: {complaint(answer.said)}" for ref in answer.unknown)):
        ref, _, why = line.partition(": ")
        if why != _OTHER:  # else it was not made, or is not ours any more
            mends = f"`git push {shown(target.url)} :{ref}` removes it"
            context.report(Warned(text=f"{shown(target.repository)} keeps {ref}: {why}; {mends}"))
    return len(answer.changed)
