"""A private apt: the real solver and the real signature check, without root and without the host's own state.

One folder a (suite, architecture, archive, kind of index) in ``sources/apt/`` of the cache; its index is fetched once a run.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from msgspec import Struct

from lithify.cache import hold_lock
from lithify.errors import FetchError, HostError, SourceError
from lithify.events import Waiting, Warned
from lithify.process import Completed, run, tool_environment
from lithify.sources.context import SourceContext
from lithify.sources.debian_host import DebianHost, debian_host

_URI_LINE = re.compile(r"'(?P<url>[^']+)' (?P<name>\S+) (?P<size>\d+) SHA256:(?P<sha256>[0-9a-f]{64})\Z")
_UNKNOWN = re.compile(
    r"E: Unable to locate package (\S+)"
    r"|E: Unable to find a source package for (\S+)"
    r"|E: Package '([^']+)' has no installation candidate"
)
_INDEX_SECONDS = 900.0
"""How long fetching an index may take in all; apt itself gives up on a silent server long before."""


class PoolFile(Struct, frozen=True, kw_only=True):
    """A file of Debian's archive, as a signed index describes it."""

    name: str
    """As apt names it: ``gcc_4%3a12.2.0-3_amd64.deb``."""
    path: str
    """Below the archive, percent-encoded as in a URL."""
    size: int
    sha256: str


class Apt(Struct, frozen=True, kw_only=True):
    """A private apt whose index is there."""

    folder: Path
    archive: str
    suite: str
    environment: tuple[tuple[str, str], ...]

    def closure(
        self, packages: Sequence[str], *, recommends: bool, exclude: Sequence[str], context: SourceContext
    ) -> tuple[PoolFile, ...]:
        """Return the packages and all that they depend on, as if nothing were installed but ``exclude``."""
        with hold_lock(self.folder / "lock"):
            (self.folder / "status").write_text(self._pretended(exclude, context))
            option = f"APT::Install-Recommends={str(recommends).lower()}"
            asked = ["install", "-y", "--print-uris", "-o", option, "--", *packages]
            return self._files("apt-get", asked)

    def download(self, packages: Sequence[str]) -> tuple[PoolFile, ...]:
        """Return the packages alone."""
        return self._alone("apt-get", ["download", "--print-uris", "--", *packages])

    def source(self, package: str) -> tuple[PoolFile, ...]:
        """Return the files of a source package."""
        return self._alone("apt-get", ["source", "--only-source", "--print-uris", "--", package])

    def _pretended(self, exclude: Sequence[str], context: SourceContext) -> str:
        """Return dpkg's status in which the excluded packages are installed, as they are in the index, needing nothing."""
        if not exclude:
            return ""
        shown = self._run("apt-cache", ["show", "--no-all-versions", "--", *exclude], expected=None)
        stanzas: dict[str, str] = {}
        for text in shown.stdout.decode(errors="replace").split("\n\n"):
            fields = _fields(text)
            lines = [f"{field}: {value}" for field, value in fields.items()]
            stanzas[fields.get("Package", "")] = "\n".join(["Status: install ok installed", *lines, ""])
        unknown = [name for name in exclude if name.split(":")[0] not in stanzas]
        if unknown:
            context.report(
                Warned(text=f"excluded, but not in {self.suite} at all: {', '.join(sorted(unknown))}")
            )
        return "\n".join(stanzas[name.split(":")[0]] for name in exclude if name not in unknown)

    def _alone(self, program: str, arguments: Sequence[str]) -> tuple[PoolFile, ...]:
        """Ask while nobody writes the folder's state; others may ask at the same time."""
        with hold_lock(self.folder / "lock", shared=True):
            return self._files(program, arguments)

    def _files(self, program: str, arguments: Sequence[str]) -> tuple[PoolFile, ...]:
        done = self._run(program, arguments, expected=None)
        said = done.stderr.decode(errors="replace") + done.stdout.decode(errors="replace")
        if done.returncode != 0:
            raise SourceError(_unsolved(said, self.suite), hints=_unmet(said))
        found: dict[str, PoolFile] = {}
        for line in done.stdout.decode(errors="replace").splitlines():
            if line.startswith("'"):
                match = _URI_LINE.match(line)
                if match is None:
                    raise FetchError(f"apt says what lithify does not understand: {line}")
                path = match["url"].removeprefix(self.archive)
                found[match["name"]] = PoolFile(
                    name=match["name"], path=path, size=int(match["size"]), sha256=match["sha256"]
                )
        return tuple(found.values())

    def _run(self, program: str, arguments: Sequence[str], *, expected: Sequence[int] | None) -> Completed:
        return run(
            [program, "-q", *arguments], env=dict(self.environment), cwd=self.folder, expected=expected
        )


_KEPT_FIELDS = ("Package", "Version", "Architecture", "Multi-Arch", "Provides", "Maintainer", "Description")


def _fields(stanza: str) -> dict[str, str]:
    """Return those one-line fields of an index's stanza that say what a package is and provides, not what it needs."""
    fields: dict[str, str] = {}
    for line in stanza.splitlines():
        name, colon, value = line.partition(":")
        if colon and name in _KEPT_FIELDS:
            fields.setdefault(name, value.strip())
    return fields


def _unsolved(said: str, suite: str) -> str:
    names = sorted({name for groups in _UNKNOWN.findall(said) for name in groups if name})
    if names:
        return f"there is no package {', '.join(names)} in {suite}"
    errors = [line.removeprefix("E: ") for line in said.splitlines() if line.startswith("E: ")]
    return f"apt cannot solve what is asked of {suite}: {(errors or ['it says nothing'])[0]}"


def _unmet(said: str) -> list[str]:
    lines = said.partition("The following packages have unmet dependencies:\n")[2].splitlines()
    return [line.strip() for line in lines if line.startswith(" ")][:6]


def open_apt(context: SourceContext, suite: str, arch: str, kind: Literal["deb", "deb-src"]) -> Apt:
    """Return a private apt for a suite of Debian, its index fetched and its signature checked.

    Raises :class:`FetchError` where the index cannot be had, :class:`HostError` where apt or its keys are not installed.
    """
    host = context.debian_host or debian_host()
    archive = host.archive(suite, context.mirrors)
    if not Path(host.keyring).exists():
        raise HostError(
            f"the keys of Debian's archive are not here ({host.keyring})",
            hints=["apt install debian-archive-keyring"],
        )
    entry = f"{kind} [signed-by={host.keyring}] {archive} {suite} main\n"
    name = hashlib.sha256("\0".join((entry, arch, *host.options)).encode()).hexdigest()[:16]
    folder = context.cache.sources / "apt" / f"{suite.replace('/', '_')}-{arch}-{kind}-{name}"
    apt = Apt(
        folder=folder,
        archive=archive,
        suite=suite,
        environment=tuple(tool_environment({"APT_CONFIG": str(folder / "apt.conf")}).items()),
    )
    folder.mkdir(parents=True, exist_ok=True)

    def waits(holder: str) -> None:
        context.report(Waiting(what=f"the package index of {suite}", holder=holder))

    with hold_lock(folder / "lock", on_wait=waits):
        _write_state(folder, entry, arch, host)
        _update(apt)
    return apt


def _write_state(folder: Path, entry: str, arch: str, host: DebianHost) -> None:
    for part in ("etc", "state/lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    (folder / "etc/sources.list").write_text(entry)
    settings = [
        f'Dir "{folder}";',
        f'Dir::Etc "{folder}/etc";',
        f'Dir::Etc::sourcelist "{folder}/etc/sources.list";',
        'Dir::Etc::sourceparts "/dev/null";',
        'Dir::Etc::parts "/dev/null";',
        'Dir::Etc::preferencesparts "/dev/null";',
        f'Dir::State "{folder}/state";',
        f'Dir::State::status "{folder}/status";',
        f'Dir::Cache "{folder}/cache";',
        f'APT::Architecture "{arch}";',
        f'APT::Architectures {{"{arch}";}};',
        'APT::Sandbox::User "";',
        'APT::Update::Error-Mode "any";',
        'Acquire::Languages "none";',
        'Acquire::Retries "1";',
        'Debug::NoLocking "true";',
        'Acquire::ForceHash "SHA256";',
        *host.options,
    ]
    (folder / "apt.conf").write_text("\n".join(settings) + "\n")


@functools.cache
def _update(apt: Apt) -> None:
    """Fetch the index, once a run."""
    done = run(
        ["apt-get", "-qq", "update"],
        env=dict(apt.environment),
        cwd=apt.folder,
        expected=None,
        timeout=_INDEX_SECONDS,
    )
    said = done.stderr.decode(errors="replace")
    if done.returncode != 0:
        lines = [unquote(line[3:]) for line in said.splitlines() if line.startswith(("E: ", "W: "))]
        raise FetchError(
            f"cannot fetch the package index of {apt.suite} from {apt.archive}: {(lines or ['apt says nothing'])[0]}",
            hints=lines[1:4],
        )
