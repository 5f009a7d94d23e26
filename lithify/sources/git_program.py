"""How git is started: hardened, without prompts, and with the caller's configuration only where it fetches."""

from __future__ import annotations

import os
import pwd
import re
import select
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lithify.errors import FetchError
from lithify.process import Completed, find_program, run, start, tool_environment
from lithify.sources.context import SourceContext
from lithify.sources.progress import Progress
from lithify.sources.urls import is_local, shown

PROTOCOLS = "https:ssh:git:http"
"""What a repository and its submodules may be fetched by; ``file`` is added for repositories of this machine."""
HARDENED = (
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "gc.auto=0"),
    *("-c", "maintenance.auto=false"),
    *("-c", "fetch.recurseSubmodules=false"),
    *("-c", "http.lowSpeedLimit=100"),
    *("-c", "http.lowSpeedTime=60"),
)
DURABLE = ("-c", "core.fsync=all", "-c", "core.fsyncMethod=batch")
"""Of a git that writes: what it has fetched is on the disk when it ends, single objects too; git before 2.36 knows neither."""
SILENCE_SECONDS = 300.0
"""How long a server may say nothing."""
_UNITS = {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_AMOUNT = re.compile(rb"([0-9]+(?:\.[0-9]+)?) (bytes|KiB|MiB|GiB)")
_TAIL = 1 << 16
_MISLEADING = re.compile(
    r"GIT_(DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|COMMON_DIR|NAMESPACE|PREFIX|CONFIG_COUNT|CONFIG_(KEY|VALUE)_.*"
    r"|CONFIG_PARAMETERS|ALTERNATE_OBJECT_DIRECTORIES|TRACE.*|CEILING_DIRECTORIES)\Z"
)
"""Variables that point git at another repository, as in a hook that starts lithify."""


def query_environment() -> dict[str, str]:
    """Return the environment of a git that asks a mirror in the cache: nobody's configuration counts."""
    return tool_environment({"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"})


def query(mirror: Path, *arguments: str, expected: Sequence[int] | None = (0,)) -> Completed:
    """Ask a mirror in the cache; never the network."""
    return run(
        ["git", *HARDENED, f"--git-dir={mirror}", *arguments], env=query_environment(), expected=expected
    )


def fetching_environment(url: str, caller: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a git that fetches from ``url``: the caller's credentials and proxies, and no prompts."""
    kept = {name: value for name, value in caller.items() if not _MISLEADING.match(name)}
    environment = {
        **tool_environment(),
        **kept,
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": PROTOCOLS + (":file" if is_local(url) else ""),
        # ssh asks for passwords and unknown hosts through this program, even on a terminal: the answer is no.
        "SSH_ASKPASS": "/bin/false",
        "SSH_ASKPASS_REQUIRE": "force",
    }
    if "GIT_SSH_COMMAND" not in kept and "GIT_SSH" not in kept:
        command = _ssh_command(kept.get("HOME", ""))
        if command:
            environment["GIT_SSH_COMMAND"] = command
    return environment


def _ssh_command(home: str) -> str:
    """Return how ssh finds its files where the user is root of a namespace and ssh would look in root's own home."""
    folder = Path(home or "/nonexistent", ".ssh")
    try:
        at_home = not home or Path(pwd.getpwuid(os.geteuid()).pw_dir) == Path(home)
    except KeyError:
        at_home = True
    if at_home or not folder.is_dir():
        return ""
    words = ["ssh", "-o", f"UserKnownHostsFile={folder / 'known_hosts'}"]
    if (folder / "config").exists():
        words += ["-F", str(folder / "config")]
    for key in ("id_ed25519", "id_ecdsa", "id_rsa"):
        if (folder / key).exists():
            words += ["-i", str(folder / key)]
    return shlex.join(words)


def ask_server(arguments: Sequence[str], url: str, context: SourceContext) -> Completed:
    """Run a short git command that asks a server, and return what it said, whatever its status."""
    try:
        return run(
            ["git", *HARDENED, *arguments],
            env=fetching_environment(url, context.git_environment),
            expected=None,
            timeout=SILENCE_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise FetchError(f"{shown(url)} did not answer within {SILENCE_SECONDS:.0f} s") from error


def fetch(
    mirror: Path, url: str, refspecs: Sequence[str], context: SourceContext, progress: Progress | None = None
) -> None:
    """Fetch refs into a mirror; what has arrived is told to ``progress``. Raises :class:`FetchError`."""
    arguments = ["fetch", "--progress", "--force", "--prune", "--update-shallow", "--no-write-fetch-head"]
    child = start(
        ["git", *HARDENED, *DURABLE, f"--git-dir={mirror}", *arguments, "--", url, *refspecs],
        env=fetching_environment(url, context.git_environment),
    )
    with child:
        assert child.stderr is not None
        said = b""
        try:
            while block := _read_before_long(child.stderr.fileno(), url):
                said = (said + block)[-_TAIL:]
                amounts = _AMOUNT.findall(block)
                if amounts and progress is not None:
                    progress.reach(int(float(amounts[-1][0]) * _UNITS[amounts[-1][1].decode()]))
        except BaseException:
            child.kill()
            raise
    if child.returncode != 0:
        raise FetchError(complaint(said), hints=complaint_hints(said))


def _read_before_long(descriptor: int, url: str) -> bytes:
    """Return what git says next; git tells its progress every second, so silence is a server that hangs."""
    ready, _, _ = select.select([descriptor], [], [], SILENCE_SECONDS)
    if not ready:
        raise FetchError(f"{shown(url)} sent nothing for {SILENCE_SECONDS:.0f} s")
    return os.read(descriptor, 4096)


def complaint(said: bytes) -> str:
    """Return the line in which git says what is wrong."""
    lines = said.decode(errors="replace").replace("\r", "\n").splitlines()
    for mark in ("fatal: ", "error: "):
        found = [line.removeprefix(mark) for line in lines if line.startswith(mark)]
        if found:
            return found[0]
    return lines[-1] if lines else "git says nothing"


def complaint_hints(said: bytes) -> list[str]:
    """Return what else git or the server said, at most five lines."""
    lines = said.decode(errors="replace").replace("\r", "\n").splitlines()
    told = [line for line in lines if line.startswith(("remote: ", "fatal: ", "error: "))]
    return [line for line in told if not line.endswith(complaint(said))][:5]


def checked_out_commit(folder: Path) -> str:
    """Return the commit that a folder of a git work tree stands at, or "" where it is in none; changes nothing in it."""
    return _asked(folder, "rev-parse", "--verify", "-q", "HEAD").strip()


def origin_of(folder: Path) -> str:
    """Return the URL that a work tree was cloned from, or "" where it has none."""
    return _asked(folder, "config", "--get", "remote.origin.url").strip()


def tree_of_commit(folder: Path, commit: str) -> dict[str, str]:
    """Return the blob of each plain file that a commit has below a folder of a work tree, by its path from there."""
    found = {}
    for line in _asked(folder, "ls-tree", "-r", "-z", commit).split("\0"):
        kind, _, name = line.partition("\t")
        if kind.startswith("100"):
            found[name] = kind.split()[2]
    return found


def _asked(folder: Path, *arguments: str) -> str:
    """Return what git says of a work tree on this machine, whoever owns it; "" where it is none, or there is no git."""
    if find_program("git") is None:
        return ""
    line = ["git", *HARDENED, "-c", "safe.directory=*", "-C", str(folder), *arguments]
    asked = run(line, env=query_environment(), expected=None)
    return asked.stdout.decode(errors="surrogateescape") if asked.returncode == 0 else ""
