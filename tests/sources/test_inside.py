"""Every kind of source in the real sandbox, as root and as an ordinary user, under another umask: the same digests."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from lithify.cache import open_cache
from lithify.definitions.model import (
    ArchiveSource,
    DebianBinaries,
    DebianSourcePackage,
    GitSource,
    LocalSource,
    PatchSource,
    Source,
)
from lithify.facts import Facts
from lithify.graph.pins import Pin, git_pin
from lithify.process import run, tool_environment
from lithify.sources.archive import archive_pin
from lithify.sources.compose import compose
from lithify.sources.debian import debian_pin
from lithify.sources.debian_source import debian_source_pin
from lithify.sources.kinds import KINDS, SourceContext
from lithify.staging.sandbox import confined
from tests.inside import folder_of, make_ordinary_user, run_inside
from tests.sources.archives import file, folder, link, package, tar

CAPABILITY = b"\x01\x00\x00\x02\x00\x20\x00\x00" + bytes(12)
EPOCH = "1700000000 +0000"


def keep(cache: Path, kind: str, content: bytes) -> str:
    sha256 = hashlib.sha256(content).hexdigest()
    (cache / "sources" / kind).mkdir(exist_ok=True)
    (cache / "sources" / kind / sha256).write_bytes(content)
    return sha256


def repository(path: Path) -> str:
    who = {f"GIT_{role}_{field}": value for role in ("AUTHOR", "COMMITTER") for field, value in _WHO.items()}
    path.mkdir()
    (path / "file").write_text("one\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        run(["git", *words], cwd=path, env=tool_environment(who))
    return run(["git", "rev-parse", "HEAD"], cwd=path).stdout.decode().strip()


_WHO = {"NAME": "T", "EMAIL": "t@example.invalid", "DATE": EPOCH}


def prepared(root: Path) -> tuple[SourceContext, dict[str, list[tuple[Source, Pin]]]]:
    """Return a context, and by name what is to be composed: everything is in the cache already."""
    cache = open_cache(root / "cache")
    definitions = root / "definitions"
    definitions.mkdir()
    (definitions / "local").mkdir()
    (definitions / "local/run").write_text("#!/bin/sh\n")
    (definitions / "local/run").chmod(0o755)
    (definitions / "x.patch").write_text("--- a/file\n+++ b/file\n@@ -1 +1 @@\n-one\n+two\n")
    context = SourceContext(
        cache=cache, facts=Facts(cache.facts), definitions_root=definitions, confined=confined, arch="amd64"
    )
    data = package(
        folder("./"),
        file("./bin/su", mode=0o4755),
        file("./bin/mine", uid=5, gid=7, mode=0o2640),
        file(
            "./bin/ping",
            mode=0o755,
            pax_headers={"SCHILY.xattr.security.capability": os.fsdecode(CAPABILITY)},
        ),
        link("./bin/link", "su"),
    )
    upstream = tar(folder("p/"), file("p/file", b"one\n", mode=0o600, uid=197611), compression="gzip")
    commit = repository(root / "repository")
    binaries = DebianBinaries(packages=("p",), suite="rock")
    archive = ArchiveSource(url="https://host.invalid/p.tar.gz")
    source = DebianSourcePackage(package="p", suite="rock")
    git = GitSource(url=str(root / "repository"), ref=commit)
    local, patch = LocalSource(path="local"), PatchSource(path="x.patch")
    sha = keep(cache.root, "debian", data)
    up = keep(cache.root, "debian", upstream)
    read = [(patch, KINDS["patch"].pin(patch, context)), (local, KINDS["local"].pin(local, context))]
    return context, {
        "debian": [(binaries, debian_pin([("p", "1", "amd64", sha, len(data), "pool/p.deb")]))],
        "debian-source": [(source, debian_source_pin("1", [("p_1.tar.gz", up, len(upstream), "pool/p")]))],
        "archive": [(archive, archive_pin(keep(cache.root, "archives", upstream), len(upstream))), *read],
        "git": [(git, git_pin(commit)), *read],
    }


def compose_all(where: str) -> dict[str, Any]:
    root = Path(where)
    context, wanted = prepared(root)
    found: dict[str, Any] = {}
    for name, sources in wanted.items():
        into = root / name
        into.mkdir(mode=0o755)
        into.chmod(0o755)
        found[name] = compose(
            [source for source, _ in sources], dict(sources), into, context, keep_git=name == "git"
        )
    for name in ("su", "mine", "ping"):
        status = (root / "debian/usr/bin" / name).stat()
        found[name] = [stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid]
    found["capability"] = os.getxattr(root / "debian/usr/bin/ping", "security.capability").hex()
    found["patched"] = (root / "git/file").read_text() + (root / "archive/file").read_text()
    context.facts.close()
    return found


@pytest.mark.slow
def test_root_and_an_ordinary_user_get_the_same() -> None:
    found = []
    for user, umask in ((None, 0o022), (make_ordinary_user(), 0o077)):
        with folder_of(user) as root:
            found.append(run_inside(compose_all, str(root), user=user, umask=umask))
    assert found[0] == found[1]
    assert (found[0]["su"], found[0]["mine"]) == ([0o4755, 0, 0], [0o2640, 5, 7])
    assert found[0]["patched"] == "two\ntwo\n"
