"""The programs that are compared, each doing the same work in its own way, with caches of its own.

A method of a contender does one row once and returns its seconds; what it needs first is made before the clock starts.
``refused`` has the rows that a program cannot do, and why.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from benchmarks.figures import spent
from benchmarks.projects import write_edited, write_trivial

BUILDSTREAM = ("buildstream==2.8.1", "buildstream-plugins==2.8.0")
PUT_AWAY = "put-away"
"""The folder of what is to be removed at the end."""
SETTLING = 4.0
"""Seconds after which a file counts as one that was not changed just now."""


class Contender(ABC):
    """A program, and the folder with the workload.

    All can do the rows below; ``changed`` (build the system after an edit of one small chunk) and ``check_out`` (make a folder
    with the whole system) have those that do not refuse them.
    """

    name: ClassVar[str]
    refused: ClassVar[Mapping[str, str]] = {}

    processor: float
    """Processor seconds of the last command that was timed, without what ran in sandboxes (nobody waits for that)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processor = 0.0
        self.own = folder / self.name
        self.own.mkdir(exist_ok=True)
        self.pinned, self.taken = folder / "pinned", folder / "taken"

    @abstractmethod
    def available(self) -> str:
        """Return the version, or raise :class:`SystemExit` with what is missing."""

    @abstractmethod
    def prepare(self) -> None:
        """Have everything of ``pinned/`` built that is to be there already."""

    @abstractmethod
    def nothing(self, number: int) -> float:
        """Build the system of 102 chunks once more, unchanged."""

    @abstractmethod
    def trivial(self, number: int) -> float:
        """Build thirty chunks of one command each on top of 102."""

    @abstractmethod
    def take(self, number: int) -> float:
        """Take the hundred trees into an empty store."""

    def timed(
        self,
        command: Sequence[str | Path],
        *,
        project: Path,
        environment: Mapping[str, str] | None = None,
    ) -> float:
        """Return the seconds that a command takes; a failure ends the measurement."""
        before, began = spent(), time.perf_counter()
        ran = subprocess.run(
            [str(word) for word in command],
            cwd=project,
            env={**os.environ, **self.environment(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - began
        self.processor = spent() - before
        if ran.returncode:
            said = (ran.stdout + ran.stderr)[-4000:]
            raise SystemExit(f"{' '.join(map(str, command))} failed:\n{said}")
        return seconds

    def environment(self) -> Mapping[str, str]:
        """Return what the program finds in its environment, beside the caller's."""
        return {}

    def emptied(self, name: str) -> Path:
        """Return a place in which nothing is, with all earlier writes on disk."""
        place = self.own / name
        if place.exists():
            self.put_away(place)
        os.sync()
        return place

    def put_away(self, place: Path) -> None:
        """Move what was made out of the way, to be removed when all has been measured.

        ext4 gives out no inode that was removed within the last minutes, and looks for another one bitmap after the other:
        after 50,000 files were removed, each new file takes ten times as long, whoever makes it.
        """
        away = self.folder / PUT_AWAY
        away.mkdir(exist_ok=True)
        place.rename(away / f"{self.name}-{place.name}-{time.time_ns()}")


class Lithify(Contender):
    """lithify from this working tree."""

    name = "lithify"
    program = Path(sys.executable).with_name("lithify")

    def available(self) -> str:
        """Return the version."""
        ran = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=True)
        return ran.stdout.split()[-1]

    def environment(self) -> Mapping[str, str]:
        """Return the place of the cache."""
        return {"LITHIFY_CACHEDIR": str(self.own / "cache")}

    def run(self, *words: str | Path, project: Path | None = None, cache: Path | None = None) -> float:
        """Return the seconds that one command takes."""
        environment = {"LITHIFY_CACHEDIR": str(cache)} if cache else {}
        command = [self.program, "--no-default-configs", *words]
        return self.timed(command, project=project or self.pinned, environment=environment)

    def prepare(self) -> None:
        """Build the system."""
        self.run("lock")
        self.run("build", "systems/bench.morph")

    def nothing(self, number: int) -> float:
        """A second build."""
        time.sleep(SETTLING)
        self.run("build", "systems/bench.morph")
        return self.run("build", "systems/bench.morph")

    def changed(self, number: int) -> float:
        """The chunk is built, and the system composed and integrated."""
        write_edited(self.pinned, number)
        return self.run("build", "systems/bench.morph")

    def trivial(self, number: int) -> float:
        """Only the stratum of thirty is asked for."""
        write_trivial(self.pinned, number)
        self.run("build", "systems/bench.morph")
        return self.run("build", "systems/full.morph", "trivial")

    def take(self, number: int) -> float:
        """Build the chunks from folders; every object is synced."""
        cache = self.emptied("taken")
        seconds = self.run("build", "systems/taken.morph", "trees", project=self.taken, cache=cache)
        self.put_away(cache)
        return seconds

    def check_out(self, number: int) -> float:
        """Hard links to its store."""
        target = self.emptied("checked-out")
        seconds = self.run("checkout", "--hard-links", "systems/bench.morph", target)
        remove(target)  # links alone: no inode goes, and objects are in one place again
        return seconds


class BuildStream(Contender):
    """BuildStream from PyPI, in an environment of its own."""

    name = "buildstream"

    def available(self) -> str:
        """Install it where it is missing, and return its version."""
        if not self._program.exists():
            subprocess.run([sys.executable, "-m", "venv", self.own / "venv"], check=True)
            pip = [str(self.own / "venv/bin/python"), "-m", "pip", "install", "-q"]
            subprocess.run([*pip, *BUILDSTREAM], check=True, stdout=sys.stderr)
        ran = subprocess.run([self._program, "--version"], capture_output=True, text=True, check=True)
        return ran.stdout.strip()

    @property
    def _program(self) -> Path:
        return self.own / "venv/bin/bst"

    def environment(self) -> Mapping[str, str]:
        """Return folders of its own."""
        places = {f"XDG_{what}_HOME": str(self.own / what.lower()) for what in ("CACHE", "CONFIG", "DATA")}
        return {**places, "PATH": f"{self.own / 'venv/bin'}:{os.environ['PATH']}"}

    def run(self, *words: str | Path, project: Path | None = None, cache: Path | None = None) -> float:
        """Return the seconds that one command takes."""
        cache = cache or self.own / "main"
        configuration = cache.with_suffix(".conf")
        jobs = len(os.sched_getaffinity(0))
        configuration.write_text(
            f"cachedir: {cache}\nlogdir: {cache}/logs\nsourcedir: {cache}/sources\n"
            f"scheduler:\n  builders: {jobs}\n  network-retries: 0\n"
        )
        command = [self._program, "--config", configuration, "--no-interactive", "--no-colors", *words]
        return self.timed(command, project=project or self.pinned)

    def prepare(self) -> None:
        """Build the system."""
        self.run("build", "bench.bst")

    def nothing(self, number: int) -> float:
        """A second build."""
        self.run("build", "bench.bst")
        return self.run("build", "bench.bst")

    def changed(self, number: int) -> float:
        """The element is built, and the system composed and integrated."""
        write_edited(self.pinned, number)
        return self.run("build", "bench.bst")

    def trivial(self, number: int) -> float:
        """Only the stack of thirty is asked for."""
        write_trivial(self.pinned, number)
        self.run("build", "bench.bst")
        return self.run("build", "trivial.bst")

    def take(self, number: int) -> float:
        """Build the elements from folders; nothing is synced."""
        cache = self.emptied("taken")
        seconds = self.run("build", "taken.bst", project=self.taken, cache=cache)
        self.put_away(cache)
        return seconds

    def check_out(self, number: int) -> float:
        """Hard links to its store."""
        target = self.emptied("checked-out")
        seconds = self.run("artifact", "checkout", "--hardlinks", "--directory", target, "bench.bst")
        remove(target)
        return seconds


class Nix(Contender):
    """Nix from Debian, with a store of its own."""

    name = "nix"
    refused: ClassVar[Mapping[str, str]] = {
        "changed": "a profile is a farm of links; Nix composes no file system and integrates none",
        "check_out": "for the same reason there is nothing to check out",
    }

    def available(self) -> str:
        """Return the version."""
        if shutil.which("nix-build") is None:
            raise SystemExit("there is no nix-build; install Debian's nix-bin")
        ran = subprocess.run(["nix-build", "--version"], capture_output=True, text=True, check=True)
        return ran.stdout.split()[-1]

    def environment(self, place: str = "main") -> Mapping[str, str]:
        """Return folders of its own, and its configuration."""
        own = self.own / place
        places = {
            f"NIX_{what}_DIR": str(own / what.lower())
            for what in ("STORE", "STATE", "LOG", "LOCALSTATE", "CONF")
        }
        (own / "conf").mkdir(parents=True, exist_ok=True)
        (own / "conf/nix.conf").write_text(
            "sandbox = true\nsandbox-paths =\nbuild-users-group =\nsubstitute = false\ncores = 1\n"
            f"max-jobs = {len(os.sched_getaffinity(0))}\n"
        )
        return {**places, "XDG_CACHE_HOME": str(own / "cache"), "HOME": str(own), "NIX_REMOTE": ""}

    def _build(self, *words: str) -> float:
        return self.timed(["nix-build", "--no-out-link", *words], project=self.pinned)

    def prepare(self) -> None:
        """Build what stands for the system."""
        self._build("-A", "system")

    def nothing(self, number: int) -> float:
        """A second build of a derivation that has all 102 as inputs."""
        self._build("-A", "system")
        return self._build("-A", "system")

    def trivial(self, number: int) -> float:
        """Thirty derivations; all 102 are inputs, and bound into the sandbox of each."""
        self._build("-A", "system")
        return self._build("-A", "trivial", "--argstr", "nonce", str(number))

    def take(self, number: int) -> float:
        """Add the trees to the store; files are not synced."""
        self.emptied("taken")
        trees = sorted((self.taken / "trees").iterdir())
        seconds = self.timed(
            ["nix-store", "--add", *trees], project=self.taken, environment=self.environment("taken")
        )
        self.put_away(self.own / "taken")
        return seconds


CONTENDERS: tuple[type[Contender], ...] = (Lithify, BuildStream, Nix)


def remove(place: Path) -> None:
    """Remove a folder whose files may be read-only, or belong to subordinate ids; nothing there is no error."""
    if not place.exists():
        return
    removal = ["rm", "-rf", str(place)]
    if os.geteuid():
        subprocess.run(["chmod", "-R", "u+w", place], check=False, capture_output=True)
        removal = ["unshare", "--user", "--map-auto", "--map-root-user", *removal]
    subprocess.run(removal, check=True)
