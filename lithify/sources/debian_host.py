"""Where this host's apt gets Debian packages from: the mirror, the keyring, a proxy.

None of it can change a result: packages are pinned by digest. A host without a mirror of Debian names one by the setting
``mirror = debian=URL``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from msgspec import Struct

from lithify.errors import HostError
from lithify.process import ProgramFailed, run

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SETTING = "debian"
"""The prefix that stands for Debian's archive in the setting ``mirror``."""

_FIELDS = "$(ORIGIN)|$(RELEASE)|$(CODENAME)|$(REPO_URI)"
_KEPT_OPTION = re.compile(r'Acquire::(http|https|Check-Valid-Until|Check-Date)\b[^"]*"[^"]+";\Z')
_PROXY = re.compile(r'Acquire::http::Proxy "([^"]+)";')


class DebianHost(Struct, frozen=True, kw_only=True):
    """What a host's apt is set to, as far as Debian's own archive is concerned."""

    archives: tuple[tuple[str, str], ...] = ()
    """(suite or codename, base URL ending in ``/``), in apt's order."""
    keyring: str = KEYRING
    """The keys that may sign an index."""
    options: tuple[str, ...] = ()
    """Lines of apt's configuration to take over: proxies, and how strictly dates are read."""
    proxy: str | None = None
    """Of plain HTTP."""

    def archive(self, suite: str, mirrors: Sequence[tuple[str, str]] = ()) -> str:
        """Return the base URL, ending in ``/``, of the archive that has ``suite`` and its pool.

        The user's own mirror wins; then an entry of apt for that suite; then, since one archive holds all releases, that
        of another release. Security updates have an archive of their own.
        """
        own = dict(mirrors).get(SETTING)
        if own:
            return own.rstrip("/") + "/"
        exact = [url for name, url in self.archives if name == suite]
        security = suite.endswith(("-security", "/updates"))
        same_kind = [
            url for name, url in self.archives if name.endswith(("-security", "/updates")) == security
        ]
        for url in (*exact, *same_kind):
            return url
        raise HostError(
            f"apt of this host has no Debian archive with {suite}",
            hints=[f"name one with the setting `mirror = {SETTING}=URL`, the URL above dists/ and pool/"],
        )


@functools.cache
def debian_host() -> DebianHost:
    """Return what apt of this host is set to; asked once a process."""
    try:
        targets = run(["apt-get", "indextargets", "--format", _FIELDS]).stdout.decode(errors="replace")
        settings = run(["apt-config", "dump"]).stdout.decode(errors="replace")
    except (HostError, ProgramFailed) as error:
        raise HostError(
            f"cannot ask apt for a mirror of Debian: {error.message}",
            hints=[f"where apt is not installed, name a mirror with the setting `mirror = {SETTING}=URL`"],
        ) from error
    return parse_host(targets, settings)


def parse_host(targets: str, settings: str) -> DebianHost:
    """Return the host that apt describes; ``targets`` in the format of :data:`_FIELDS`, ``settings`` of ``apt-config dump``."""
    archives: dict[tuple[str, str], None] = {}
    for line in targets.splitlines():
        origin, release, codename, url = (line.split("|") + [""] * 4)[:4]
        # Before the first `apt-get update` nothing is known of the origin, and `$(ORIGIN)` stands there as it is.
        is_debian = origin == "Debian" or (origin.startswith("$(") and "/debian" in url)
        if is_debian and url.startswith(("http://", "https://", "file:/")):
            if url.startswith("file:/") and not url.startswith("file://"):
                url = "file://" + url.removeprefix("file:")
            for name in dict.fromkeys((release, codename)):
                if name and not name.startswith("$("):
                    archives[name, url.rstrip("/") + "/"] = None
    proxy = _PROXY.search(settings)
    return DebianHost(
        archives=tuple(archives),
        options=tuple(line for line in settings.splitlines() if _KEPT_OPTION.match(line)),
        proxy=proxy[1] if proxy and proxy[1] != "DIRECT" else None,
    )
