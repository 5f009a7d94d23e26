"""The errors that lithify reports, as data: what failed, where, and what to do.

Nothing here prints or exits; ``cli/`` alone turns an error into text and an exit status.

::

    LithifyError            1  a message and any number of hints
    ├── UsageError          2  wrong use: an unknown name, a missing argument
    ├── DefinitionErrors    1  all faults of a definitions tree, each with its place
    ├── SourceError         1  a source cannot be had
    │   ├── FetchError      1  a server is down, or cut off in the middle
    │   ├── PinMismatch     1  what was fetched is not what was pinned
    │   ├── PinGone         1  what was pinned has left its server
    │   └── Unpinned        1  nothing is pinned yet
    ├── UnsafeContent       1  an archive, package or tree tries to leave its folder, or holds what cannot be kept
    ├── StoreError          1  the cache cannot be read or written
    │   ├── NoSpace         1  no room is left
    │   └── Damaged         1  a stored thing is not what its name says
    ├── HostError           1  this machine lacks something; the hint is the command that mends it
    ├── BuildFailed         1  a command of a chunk or system failed
    ├── SeveralFailed       1  more than one chunk failed
    ├── MergeConflict       1  two artifacts cannot stand in one tree
    ├── DeployError         1  a deployment cannot be made
    └── Interrupted       130  the user asked to stop
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct


class Place(Struct, frozen=True, order=True):
    """A spot in a text file: lines and columns count from 1, as editors count."""

    file: str
    line: int = 1
    column: int = 1
    source_line: str = ""
    """The whole line, without its newline, for the mark under the spot."""


class Fault(Struct, frozen=True, kw_only=True):
    """One thing wrong in a definition, and where."""

    place: Place
    message: str
    hint: str = ""
    severity: Literal["error", "warning"] = "error"
    related: tuple[tuple[Place, str], ...] = ()
    """Other places that take part, each with what it has to do with it."""


class LithifyError(Exception):
    """An error for the person who must act: a message, and hints what to do."""

    exit_status = 1

    def __init__(self, message: str, *, hints: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hints = tuple(hints)
        self.told = False
        """The user has been shown all of it already: its first line is enough at the end."""


class UsageError(LithifyError):
    """The command was used wrongly."""

    exit_status = 2


class DefinitionErrors(LithifyError):
    """All faults found in one run, each once, sorted by place."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(dict.fromkeys(faults), key=lambda fault: fault.place))
        errors = [fault for fault in self.faults if fault.severity == "error"]
        text = errors[0].message if len(errors) == 1 else f"{len(errors)} errors in the definitions"
        super().__init__(text)


class SourceError(LithifyError):
    """A source cannot be had."""


class FetchError(SourceError):
    """A server did not answer, or stopped in the middle."""


class PinMismatch(SourceError):
    """What was fetched differs from what the lock file or the definition pins."""


class PinGone(SourceError):
    """What is pinned is no longer on the server."""


class Unpinned(SourceError):
    """A source has no pin yet."""


class UnsafeContent(LithifyError):
    """A file tree that would escape, or that holds what cannot be kept."""


class StoreError(LithifyError):
    """The cache cannot be read or written."""


class NoSpace(StoreError):
    """The file system is full."""


class Damaged(StoreError):
    """A stored thing is not what its name says."""


class HostError(LithifyError):
    """This machine lacks something that lithify needs."""


class MergeConflict(LithifyError):
    """Two artifacts cannot stand in one tree."""


class DeployError(LithifyError):
    """A deployment cannot be made."""


class Interrupted(LithifyError):
    """The user asked to stop."""

    exit_status = 130

    def __init__(self, message: str = "interrupted") -> None:
        super().__init__(message)


class BuildFailed(LithifyError):
    """A command of a chunk or a system failed; carries all that the report shows."""

    def __init__(
        self,
        *,
        component: str,
        step: str,
        command: str,
        reason: str,
        log: str,
        log_tail: Sequence[str] = (),
        staging_area: str = "",
        hints: Sequence[str] = (),
    ) -> None:
        super().__init__(f"{component}: {step} failed ({reason})", hints=hints)
        self.component = component
        self.step = step
        self.command = command
        self.reason = reason
        """``exit_code=N``, ``timed out after N s``, ``killed by signal N``."""
        self.log = log
        self.log_tail = tuple(log_tail)
        self.staging_area = staging_area


class SeveralFailed(LithifyError):
    """More than one component failed in one run; carries each failure."""

    def __init__(self, failures: Sequence[LithifyError], *, hints: Sequence[str] = ()) -> None:
        super().__init__(
            f"{len(failures)} failures: {'; '.join(failure.message for failure in failures)}", hints=hints
        )
        self.failures = tuple(failures)
