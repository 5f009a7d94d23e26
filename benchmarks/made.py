"""Trees of made files, the same as folders and as git repositories.

Nothing is removed when one is made: files that are made after others were removed are slow, see
:meth:`~benchmarks.contenders.Contender.put_away`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from msgspec import Struct

_MODES = {"file": "100644", "program": "100755", "link": "120000"}
_SIGNED = "committer bench <bench@example.invalid> 1767225600 +0000"


class MadeFile(Struct, frozen=True, kw_only=True):
    """A file of a tree."""

    path: str
    """Below the tree."""
    content: bytes
    """Of a link, its target."""
    kind: Literal["file", "program", "link"] = "file"


def made_tree(name: str, files: int) -> Iterator[MadeFile]:
    """Yield a chunk's files, fifty a folder, one of them in a folder that all chunks share."""
    yield MadeFile(path=f"usr/lib/{name}.so", content=f"{name}\n".encode())
    for index in range(files - 1):
        path = f"usr/share/{name}/{index // 50}/{index}"
        yield MadeFile(path=path, content=f"{name} {index}\n".encode())


def shell_tree() -> Iterator[MadeFile]:
    """Yield what commands need that only make folders and files: the host's busybox, and its names."""
    yield MadeFile(path="bin/busybox", content=Path("/bin/busybox").read_bytes(), kind="program")
    for name in ("sh", "mkdir", "echo"):
        yield MadeFile(path=f"bin/{name}", content=b"busybox", kind="link")


def write_folder(files: Iterable[MadeFile], folder: Path) -> None:
    """Write a tree into a folder that may not be there yet."""
    made: set[Path] = set()
    for one in files:
        path = folder / one.path
        if path.parent not in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.add(path.parent)
        if one.kind == "link":
            path.symlink_to(os.fsdecode(one.content))
            continue
        path.write_bytes(one.content)
        if one.kind == "program":
            path.chmod(0o755)


def write_repository(files: Iterable[MadeFile], repository: Path) -> str:
    """Make a bare repository with a tree in one commit, and return the commit.

    All of it is one pack from the start: `git add` would make a file of each file, and packing would remove them.
    """
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    repository.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", repository], env=environment, check=True)
    options = ["-c", "fastimport.unpackLimit=1", "-c", "core.compression=1"]
    command = ["git", f"--git-dir={repository}", *options, "fast-import", "--quiet"]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as importing:
        assert importing.stdin is not None and importing.stdout is not None
        importing.stdin.writelines(import_stream(files))
        importing.stdin.close()
        commit = importing.stdout.read().decode().strip()
    if importing.returncode:
        raise SystemExit(f"git fast-import failed: {repository}")
    return commit


def import_stream(files: Iterable[MadeFile]) -> Iterator[bytes]:
    """Yield what `git fast-import` makes one commit of, whose name it prints (git-fast-import(1))."""
    yield f"commit refs/heads/main\nmark :1\n{_SIGNED}\ndata 0\n".encode()
    for one in files:
        yield f"M {_MODES[one.kind]} inline {one.path}\ndata {len(one.content)}\n".encode()
        yield one.content + b"\n"
    yield b"get-mark :1\ndone\n"
