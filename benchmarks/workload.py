"""The workload that every program is measured with: chunk trees out of Debian packages, as folders and as git repositories.

Which packages these are follows from the host's own package lists, so a result names their number, files and bytes.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

PACKAGES = (
    "gcc g++ make git perl cmake dash coreutils libc-bin python3-dev python3-numpy ruby"
    " libgtk-3-dev qtbase5-dev linux-headers-amd64"
)
"""They and what they depend on come to about 48,000 files and 1.3 GB in Debian 12."""
CHUNKS = 100
_URI = re.compile(r"'[^']+' (\S+) \d+ \S*$", re.MULTILINE)
_AUTHOR = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_NAME": "bench" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "bench@example.invalid" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_DATE": "2026-01-01T00:00:00Z" for who in ("AUTHOR", "COMMITTER")},
}


class Workload(Struct, frozen=True, kw_only=True):
    """What is there to be built."""

    packages: int
    digest: str
    """Over the packages' file names, versions included: equal where the workload is."""
    files: int
    """Without folders."""
    size: int
    """Bytes of content."""
    commits: Mapping[str, str]
    """Chunk → the commit of its repository."""

    def described(self) -> dict[str, object]:
        """Return what a result says of the workload."""
        said = asdict(self)
        return {**{name: said[name] for name in ("packages", "digest", "files", "size")}, "chunks": CHUNKS}


def set_up(folder: Path, packages: Sequence[str] = tuple(PACKAGES.split())) -> Workload:
    """Make ``folder/trees/NAME`` and ``folder/repositories/NAME`` for each chunk, where they are not there yet.

    Needs apt and dpkg, no root, and leaves the host's own apt as it is.
    """
    made = folder / "workload.json"
    if made.exists():
        return Workload(**json.loads(made.read_text()))
    archives = download(folder / "apt", packages)
    trees, repositories = folder / "trees", folder / "repositories"
    groups = dealt(sorted(archives), CHUNKS)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        names = [f"chunk-{number:03}" for number in range(CHUNKS)]
        list(pool.map(lambda name, group: unpack(group, trees / name), names, groups))
        commits = list(pool.map(lambda name: commit(trees / name, repositories / name), names))
    files, size = measured(trees)
    workload = Workload(
        packages=len(archives),
        digest=hashlib.sha256("\n".join(sorted(path.name for path in archives)).encode()).hexdigest()[:16],
        files=files,
        size=size,
        commits=dict(zip(names, commits, strict=True)),
    )
    shutil.rmtree(folder / "apt")
    made.write_text(json.dumps(asdict(workload), indent=1) + "\n")
    return workload


def dealt(archives: Sequence[Path], count: int) -> list[Sequence[Path]]:
    """Return ``count`` groups of neighbours, equal in number within one: as with real chunks, sizes differ widely."""
    edges = [len(archives) * number // count for number in range(count + 1)]
    return [archives[first:last] for first, last in itertools.pairwise(edges)]


def download(folder: Path, packages: Sequence[str]) -> list[Path]:
    """Return the packages' files and those of all that they depend on, fetched with an apt of our own state."""
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    (folder / "apt.conf").write_text(
        f'Dir::State "{folder}/state"; Dir::State::status "{folder}/status"; Dir::Cache "{folder}/cache";\n'
        'Dir::Etc::parts "/dev/null"; APT::Install-Recommends "false"; APT::Sandbox::User "";\n'
        'Acquire::Languages "none"; Debug::NoLocking "true";\n'
    )
    environment = {**os.environ, "APT_CONFIG": str(folder / "apt.conf"), "LC_ALL": "C"}
    _run(["apt-get", "-qq", "update"], env=environment)
    wanted = ["apt-get", "-q", "-y", "install", *packages]
    names = folder / "names"
    if not names.exists():  # apt lists only what is not fetched yet
        listed = _URI.findall(_run([*wanted, "--print-uris"], env=environment))
        names.write_text("\n".join(listed))
    _run([*wanted, "--download-only"], env=environment)
    return [folder / "cache/archives" / name for name in names.read_text().splitlines()]


def unpack(archives: Sequence[Path], tree: Path) -> None:
    """Unpack Debian packages into a tree with one /usr and nothing above it that is a link, where it is not there yet."""
    if tree.exists():
        return
    whole, tree = tree, tree.with_suffix(".partial")
    shutil.rmtree(tree, ignore_errors=True)
    for name in ("bin", "sbin", "lib", "lib64", "lib32", "libx32"):
        (tree / "usr" / name).mkdir(parents=True, exist_ok=True)
        (tree / name).symlink_to(f"usr/{name}")
    for archive in archives:
        content = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE)
        with content:
            subprocess.run(
                ["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "--no-same-permissions"],
                cwd=tree,
                stdin=content.stdout,
                check=True,
            )
        if content.returncode:
            raise SystemExit(f"{archive.name} cannot be unpacked")
    for path in [path for path in tree.iterdir() if path.is_symlink()]:
        path.unlink()
    for name, _, _ in os.walk(tree, topdown=False):
        if not os.listdir(name):  # a git repository has no empty folders, and all programs get the same
            os.rmdir(name)
    if not tree.exists():
        (tree / "usr").mkdir(parents=True)
        (tree / "usr/empty").touch()
    for attributes in tree.rglob(".git*"):
        attributes.unlink()
    tree.rename(whole)


def commit(tree: Path, repository: Path) -> str:
    """Make a repository with all of a tree in one commit, where it is not there yet; return the commit."""
    environment = {**os.environ, **_AUTHOR}
    if repository.exists():
        return _run(["git", f"--git-dir={repository}", "rev-parse", "main"], env=environment).strip()
    whole, repository = repository, repository.with_suffix(".partial")
    shutil.rmtree(repository, ignore_errors=True)
    options = ["-c", "core.compression=1", "-c", "gc.auto=0"]
    git = ["git", f"--git-dir={repository}", f"--work-tree={tree}", *options]
    _run(["git", "init", "-q", "--bare", "-b", "main", str(repository)], env=environment)
    _run([*git, "-c", "core.bare=false", "add", "--all", "--force"], cwd=tree, env=environment)
    _run([*git, "-c", "core.bare=false", "commit", "-q", "-m", "files"], cwd=tree, env=environment)
    _run([*git, "repack", "-a", "-d", "-q", "--window=0"], env=environment)  # nobody measures how small it is
    repository.rename(whole)
    return commit(tree, whole)


def measured(folder: Path) -> tuple[int, int]:
    """Return how many files and links stand below a folder, and the bytes of the files."""
    files = size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            found = os.lstat(os.path.join(place, name))
            files += 1
            size += found.st_size
    return files, size


def _run(command: Sequence[str | Path], **how: object) -> str:
    ran = subprocess.run(command, capture_output=True, text=True, check=False, **how)  # type: ignore[call-overload]
    if ran.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{ran.stderr}")
    return str(ran.stdout)
