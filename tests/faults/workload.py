"""What the bench keeps lithify busy with: a small system from every kind of source, in several variants, with known results.

The system of :mod:`tests.build.definitions`, with one chunk more from a git repository and one from an archive behind HTTP.
A variant is another text in a local source and another commit in the repository; three chunks and the system differ in it.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import os
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random

from msgspec import Struct
from msgspec.structs import replace

from lithify.cache import remove_tree
from lithify.store.reading import Repository
from tests.build.definitions import small_tree
from tests.program import Program, write_files

MOST_VARIANTS = 4
GIT_CHUNK = """\
name: tool
kind: chunk
sources:
- kind: git
  url: file://{origin}
  ref: main
build-commands:
- cat tool lines >built
install-commands:
- mkdir -p "$DESTDIR/usr/bin" && cp built "$DESTDIR/usr/bin/tool"
"""
ARCHIVE_CHUNK = """\
name: data
kind: chunk
sources:
- kind: archive
  url: http://127.0.0.1:{port}/data.tar.gz
install-commands:
- mkdir -p "$DESTDIR/usr/share" && cp -r files "$DESTDIR/usr/share/data"
"""
MORE_CHUNKS = """\
- name: tool
  morph: chunks/tool.morph
- name: data
  morph: chunks/data.morph
"""
LOCK = "lithify.lock"
NO_LEAST_SPACE = ("--cachedir-min-space", "0", "--tempdir-min-space", "0")
"""Settings: what is built is tiny, and so may be the file system."""
Contents = Mapping[str, tuple[str, str]]
"""Definition key → (name, content digest)."""


class Expected(Struct, frozen=True, kw_only=True):
    """What a clean run makes of one variant."""

    contents: Contents
    system_key: str
    tar: str
    """SHA-256 of the deployed tar file."""


class Workload(Struct, frozen=True, kw_only=True):
    """The definitions and their sources; and what comes of each variant."""

    program: Program
    origin: Path
    commits: tuple[str, ...]
    """The repository's commit of each variant."""
    locks: tuple[bytes, ...]
    expected: tuple[Expected, ...]

    @property
    def variants(self) -> int:
        """How many there are; they are numbered from 0."""
        return len(self.commits)

    def choose(self, variant: int) -> None:
        """Put the definitions in a variant; the lock file says so too."""
        write_files(self.program.definitions, {"lib/source": f"# a comment\nlibrary {variant}\n"})
        (self.program.definitions / LOCK).write_bytes(self.locks[variant])

    def move_branch(self, variant: int) -> None:
        """Put the repository's branch on a variant's commit."""
        git(self.origin, "update-ref", "refs/heads/main", self.commits[variant])

    def locked(self) -> bytes:
        """Return what the lock file holds."""
        return (self.program.definitions / LOCK).read_bytes()

    @property
    def tar(self) -> Path:
        """Where the system is deployed to."""
        return self.program.definitions / "small.tar"

    def remove_deployment(self) -> None:
        """Have the next deployment write."""
        self.tar.unlink(missing_ok=True)

    def stored(self) -> Contents:
        """Return every finished build in the cache."""
        return contents_of(Repository(self.program.cache / "ostree"))


def contents_of(repository: Repository) -> Contents:
    """Return every finished build that a repository has."""
    found = {}
    for ref, commit in repository.refs("d").items():
        metadata = repository.commit(commit).metadata
        found[ref.rpartition("/")[2]] = (metadata["name"], metadata["content"])
    return found


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder as somebody, and return what it says."""
    names = {f"GIT_{who}_{what}": "bench" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    dates = {f"GIT_{who}_DATE": "2026-01-01T00:00:00Z" for who in ("AUTHOR", "COMMITTER")}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env={"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", **names, **dates},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def _make_origin(folder: Path, random: Random, variants: int) -> tuple[str, ...]:
    """Make a repository with a commit for each variant, big enough that a fetch takes a moment."""
    work = folder.with_name("work")
    work.mkdir()
    git(work, "init", "-q", "-b", "main")
    commits = []
    for variant in range(variants):
        write_files(work, {"tool": f"#!/bin/sh\necho {variant}\n", "lines": f"{random.random()}\n" * 20_000})
        (work / f"noise{variant}").write_bytes(random.randbytes(1 << 18))
        git(work, "add", "-A")
        git(work, "commit", "-q", "-m", f"variant {variant}")
        commits.append(git(work, "rev-parse", "HEAD"))
    git(folder.parent, "clone", "-q", "--bare", str(work), str(folder))
    git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    return tuple(commits)


def _make_archive(path: Path, random: Random) -> None:
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as archive:
        for number in range(30):
            content = random.randbytes(1 << 14)
            member = tarfile.TarInfo(f"data-1.0/files/{number}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[int]:
    """Serve a folder by HTTP and yield the port."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a killed client is no news
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def workload(folder: Path, variants: int = MOST_VARIANTS) -> Iterator[Workload]:
    """Make everything in an empty folder, build each variant once in a cache of its own, and yield it with an empty cache."""
    random = Random(6)  # the content is the same in every run
    definitions = small_tree(folder / "definitions")
    commits = _make_origin(folder / "origin.git", random, variants)
    _make_archive(folder / "served" / "data.tar.gz", random)
    with serving(folder / "served") as port:
        work = (definitions / "strata/work.morph").read_text()
        write_files(
            definitions,
            {
                "strata/work.morph": work + MORE_CHUNKS,
                "chunks/tool.morph": GIT_CHUNK.format(origin=folder / "origin.git"),
                "chunks/data.morph": ARCHIVE_CHUNK.format(port=port),
            },
        )
        program = Program(folder=folder, definitions=definitions, settings=NO_LEAST_SPACE)
        made = Workload(program=program, origin=folder / "origin.git", commits=commits, locks=(), expected=())
        made = replace(made, locks=_locks(made))
        yield replace(made, expected=tuple(_expected(made, variant) for variant in range(variants)))


def _locks(work: Workload) -> tuple[bytes, ...]:
    found = []
    for variant in range(work.variants):
        work.move_branch(variant)
        work.program.done("lock", "--update")
        found.append((work.program.definitions / LOCK).read_bytes())
    return tuple(found)


def _expected(work: Workload, variant: int) -> Expected:
    """Build and deploy a variant from nothing, by itself."""
    remove_tree(work.program.cache)
    work.choose(variant)
    said = work.program.done("build", "small")
    work.remove_deployment()
    work.program.done("deploy", "small", "tar")
    found = Expected(
        contents=work.stored(),
        system_key=said.stdout.partition(".")[0],
        tar=hashlib.sha256(work.tar.read_bytes()).hexdigest(),
    )
    remove_tree(work.program.cache)
    shutil.rmtree(work.program.folder / "tmp", ignore_errors=True)
    return found
