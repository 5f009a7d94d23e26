"""What a source kind needs to do its work, as one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, field

from lithify.cache import CacheFolder
from lithify.errors import HostError
from lithify.events import Report, ignore
from lithify.facts import Facts
from lithify.process import Confined
from lithify.sources.debian_host import DebianHost
from lithify.sources.spoolers import Spoolers


class UnpackLimits(Struct, frozen=True, kw_only=True):
    """How much may come out of the archives of one source, so that a small file cannot fill the disk."""

    members: int = 2_000_000
    bytes: int = 4 << 30
    """Allowed whatever the archives' size."""
    ratio: int = 50
    """Bytes more for each byte of the archives; the Linux kernel unpacks to 10, a bomb to 1000."""

    def bytes_for(self, size: int) -> int:
        """Return how many bytes may come out of archives of ``size`` bytes."""
        return self.bytes + self.ratio * size


class SourceContext(Struct, frozen=True, kw_only=True):
    """The cache, the definitions and the user's settings, as far as sources are concerned."""

    cache: CacheFolder
    facts: Facts
    definitions_root: Path
    confined: Confined | None = None
    """Runs programs in a sandbox; needed to unpack, not to pin or fetch."""
    mirrors: tuple[tuple[str, str], ...] = ()
    """(prefix of a URL, what stands in its place); ``debian`` as a prefix is the archive of Debian."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """``alias:path`` → pull URL: ``%s`` in the pattern is the path, a pattern without it has the path appended."""
    report: Report = ignore
    no_git_update: bool = False
    """Never ask a git server; what its mirror in the cache has must do."""
    arch: str = ""
    """Debian's name of the architecture for sources that name none; empty: the host's."""
    git_environment: Mapping[str, str] = field(default_factory=dict)
    """The caller's environment, for git's and ssh's credentials and proxies; used for fetching alone."""
    debian_host: DebianHost | None = None
    """Where Debian packages come from; None: what apt of this host is set to."""
    limits: UnpackLimits = UnpackLimits()
    spoolers: Spoolers = field(default_factory=Spoolers)
    """Processes that copy what goes into the store as it is."""

    def sandbox(self) -> Confined:
        """Return what runs programs in a sandbox."""
        if self.confined is None:
            raise HostError("sources can be unpacked only by a run that has entered its namespace")
        return self.confined
