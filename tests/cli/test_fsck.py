"""`fsck` names each kind of damage with what it belongs to, mends it, and leaves alone what is sound."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from lithify.facts import Facts
from lithify.store.reading import Commit, Repository
from tests.build.definitions import small_tree
from tests.inside import as_owner, folder_of, make_ordinary_user
from tests.program import Program

pytestmark = pytest.mark.slow
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to others, or has no ids to read all")

IDENTITY = ("-c", "user.name=A", "-c", "user.email=a@example.com")


@pytest.fixture(scope="module")
def pristine() -> Iterator[Program]:
    """A cache with everything in it that a cache may have; tests damage copies of it."""
    with folder_of(None) as folder:
        program = Program(folder=folder, definitions=small_tree(folder / "definitions"))
        program.done("build", "small")
        sources = program.cache / "sources"
        for kind in ("archives", "debian"):
            (sources / kind).mkdir(exist_ok=True)
            (sources / kind / hashlib.sha256(kind.encode()).hexdigest()).write_bytes(kind.encode())
        make_mirror(folder / "upstream", sources / "git" / "upstream-0123.git")
        (program.definitions / "lithify.lock").write_text("# nothing pinned\n")
        yield program


def make_mirror(work: Path, mirror: Path) -> None:
    """Make a repository with a commit, and a packed mirror of it."""
    work.mkdir()
    (work / "file").write_text("content\n" * 100)
    subprocess.run(["git", "init", "-q", "-b", "main", work], check=True)
    subprocess.run(["git", "-C", work, "add", "file"], check=True)
    subprocess.run(["git", *IDENTITY, "-C", work, "commit", "-q", "-m", "one"], check=True)
    subprocess.run(["git", "clone", "-q", "--mirror", f"file://{work}", mirror], check=True)
    subprocess.run(["git", "-C", mirror, "gc", "-q"], check=True)


@pytest.fixture
def program(pristine: Program) -> Iterator[Program]:
    """A copy of the program's cache and definitions, to be damaged."""
    with folder_of(None) as folder:
        for name in ("cache", "definitions"):
            subprocess.run([*as_owner(), "cp", "-a", pristine.folder / name, folder / name], check=True)
        yield Program(folder=folder, definitions=folder / "definitions")


def flip(path: Path) -> None:
    """Flip a bit in the middle of a file; its times stay as they are."""
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
    path.chmod(status.st_mode & 0o7777)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def built(program: Program, name: str) -> Commit:
    """Return the commit of a chunk or system; the store has one build of each."""
    repository = Repository(program.cache / "ostree")
    commits = (repository.commit(checksum) for checksum in repository.refs("d").values())
    return next(commit for commit in commits if commit.metadata["name"] == name)


def ref_of(program: Program, name: str) -> Path:
    return program.cache / "ostree/refs/heads/d" / str(built(program, name).metadata["definition-key"])


def file_of_lib(program: Program) -> Path:
    """Return the file object of the library, which the chunk and the system hold."""
    repository = Repository(program.cache / "ostree")
    folder = repository.subtree(built(program, "lib").tree, "all/usr/lib")
    return repository.file_path(dict(repository.dirtree(folder.dirtree).files)["liblib.so.1"])


def commit_of_lib(program: Program) -> Path:
    return Path(Repository(program.cache / "ostree").place(built(program, "lib").checksum, "commit"))


def root_of_lib(program: Program) -> Path:
    return Path(Repository(program.cache / "ostree").place(built(program, "lib").tree.dirtree, "dirtree"))


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def only(folder: Path, pattern: str) -> Path:
    return sorted(folder.glob(pattern))[0]


def layer_of_lib(program: Program) -> Path:
    return next(
        path for path in (program.cache / "layers").iterdir() if (path / "tree/usr/lib/liblib.so.1").exists()
    )


def own_copy_in_layer(program: Program) -> Path:
    """Return the library in its layer as a file of its own, as layers have where a file is in several."""
    path = layer_of_lib(program) / "tree/usr/lib/liblib.so.1"
    copy = path.with_name("copy")
    status = path.parent.stat()
    shutil.copy2(path, copy)
    os.replace(copy, path)
    os.utime(path.parent, ns=(status.st_atime_ns, status.st_mtime_ns))
    return path


class Harm(Struct, frozen=True, kw_only=True):
    """Damage that a test does, and what `fsck` says of it."""

    do: Callable[[Program], None]
    what: str
    reason: str
    owners: tuple[str, ...] = ()
    mended: bool = True


def facts_of(program: Program) -> Path:
    """Return the file of facts, with a fact in it whose value is easily found."""
    path = program.cache / "facts.sqlite"
    facts = Facts(path)
    facts.put("some-kind", "some key", "some value")
    facts.close()
    return path


WRONG = "is not what its checksum says"
HARMS = {
    "a flipped bit in a file": Harm(
        do=lambda p: flip(file_of_lib(p)),
        what="object",
        reason=WRONG,
        owners=("chunk lib usr/lib/liblib.so.1", "system small usr/lib/liblib.so.1"),
    ),
    "a file that is gone": Harm(
        do=lambda p: file_of_lib(p).unlink(),
        what="object",
        reason="is missing",
        owners=("chunk lib usr/lib/liblib.so.1", "system small usr/lib/liblib.so.1"),
    ),
    "another owner": Harm(
        do=lambda p: os.chown(file_of_lib(p), 7, 7),
        what="object",
        reason=WRONG,
        owners=("chunk lib usr/lib/liblib.so.1", "system small usr/lib/liblib.so.1"),
    ),
    "a flipped bit in a folder": Harm(
        do=lambda p: flip(root_of_lib(p)), what="object", reason=WRONG, owners=("chunk lib ",)
    ),
    "a flipped bit in a commit": Harm(
        do=lambda p: flip(commit_of_lib(p)), what="object", reason=WRONG, owners=(" lib ",)
    ),
    "a ref that is no text": Harm(
        do=lambda p: write(ref_of(p, "lib"), b"\0" * 65), what="ref", reason="names no commit", owners=("",)
    ),
    "a ref to nowhere": Harm(
        do=lambda p: write(ref_of(p, "lib"), b"0" * 64 + b"\n"),
        what="ref",
        reason=f"names commit {'0' * 64}, which is not there",
    ),
    "a ref to another build": Harm(
        do=lambda p: write(ref_of(p, "lib"), ref_of(p, "app").read_bytes()),
        what="ref",
        reason="names a build of another key: ",
    ),
    "a layer with a file more": Harm(
        do=lambda p: write(layer_of_lib(p) / "tree/usr/more", b"x"),
        what="layer",
        reason="was changed since it was made",
        owners=("chunk lib ",),
    ),
    "a flipped bit in a layer's own file": Harm(
        do=lambda p: flip(own_copy_in_layer(p)),
        what="layer",
        reason="holds usr/lib/liblib.so.1, which is not as it was built",
        owners=("chunk lib ",),
    ),
    "a pack of a mirror": Harm(
        do=lambda p: flip(only(p.cache / "sources/git", "*.git/objects/pack/*.pack")),
        what="repository",
        reason="git finds: ",
    ),
    "a ref of a mirror": Harm(
        do=lambda p: flip(only(p.cache / "sources/git", "*.git/packed-refs")),
        what="repository",
        reason="git finds: ",
    ),
    "an archive": Harm(
        do=lambda p: flip(only(p.cache / "sources/archives", "*")),
        what="archive",
        reason="is not what its digest says",
    ),
    "a package": Harm(
        do=lambda p: flip(only(p.cache / "sources/debian", "*")),
        what="package",
        reason="is not what its digest says",
    ),
    "a bit of a fact": Harm(
        do=lambda p: write(facts_of(p), facts_of(p).read_bytes().replace(b"some value", b"some valud")),
        what="facts",
        reason="holds facts that are not what was put there (1)",
    ),
    "a key of a fact": Harm(
        do=lambda p: write(facts_of(p), facts_of(p).read_bytes().replace(b"some key", b"some kex")),
        what="facts",
        reason="holds facts that are not what was put there (1)",
    ),
    "the facts' first page": Harm(
        do=lambda p: write(p.cache / "facts.sqlite", b"X" * 8192), what="facts", reason="cannot be read: "
    ),
    "a log": Harm(
        do=lambda p: flip(p.cache / "logs" / f"{ref_of(p, 'app').name}.log"),
        what="log",
        reason="is not what the build wrote",
        owners=("chunk app ",),
    ),
    "a kept answer": Harm(
        do=lambda p: flip(only(p.cache / "standing", "*.json")),
        what="answer",
        reason="is not as it was written",
    ),
    "a lock that is a folder": Harm(
        do=lambda p: (p.cache / "locks/d-x").mkdir(), what="lock", reason="is no plain file"
    ),
    "the definitions' lock file": Harm(
        do=lambda p: write(p.definitions / "lithify.lock", b"  line\n"),
        what="lock file",
        reason="a line that belongs to no source",
        mended=False,
    ),
}


def damages(said: str) -> list[dict[str, Any]]:
    found = json.loads(said)["damaged"]
    assert isinstance(found, list)
    return found


def test_a_sound_cache_is_sound(pristine: Program) -> None:
    said = pristine.done("fsck")
    assert said.stdout.endswith(": all sound\n")
    assert ", 1 repository, 1 archive, 1 package, " in said.stdout
    assert said.stderr == ""
    assert pristine.done("fsck", "--repair").stdout == said.stdout


@pytest.mark.parametrize("name", [name for name in HARMS if os.geteuid() == 0 or name != "another owner"])
def test_damage_is_named_and_mended(program: Program, name: str) -> None:
    harm = HARMS[name]
    before = built(program, "small").metadata["content"]
    harm.do(program)
    found = program.run("fsck", "--json")
    assert found.status == 1
    assert found.stderr.startswith("ERROR: ")
    [damage] = [one for one in damages(found.stdout) if one["what"] == harm.what]
    assert damage["reason"].startswith(harm.reason)
    told = [f"{owner['kind']} {owner['name']} {owner['path']}" for owner in damage["belongs-to"]]
    assert all(any(part in one for one in told) for part in harm.owners), told
    again = program.run("fsck")
    assert damage["reason"] in again.stdout
    assert damage["mend"] in again.stdout
    repaired = program.run("fsck", "--repair")
    if not harm.mended:
        assert repaired.status == 1
        assert repaired.stderr.endswith(" is still damaged\n")
        return
    assert (repaired.status, repaired.stderr) == (0, "")
    assert "    mended\n" in repaired.stdout
    assert program.done("fsck").stdout.endswith(": all sound\n")
    program.done("build", "small")
    assert built(program, "small").metadata["content"] == before
    assert program.done("fsck").stdout.endswith(": all sound\n")


def test_an_unused_object_is_checked_too(program: Program) -> None:
    """A build that makes the same file would take it as it is."""
    victim = file_of_lib(program)
    for ref in (program.cache / "ostree/refs/heads").rglob("*"):
        if ref.is_file():
            ref.unlink()
    for commit in (program.cache / "ostree/objects").rglob("*.commit"):
        commit.unlink()
    flip(victim)
    [damage] = damages(program.run("fsck", "--repair", "--json").stdout)
    assert (damage["what"], damage["belongs-to"], damage["mended"]) == ("object", [], True)
    assert not victim.exists()


@needs_root
def test_another_users_cache_is_refused(program: Program) -> None:
    os.chown(program.cache, 12345, 12345)
    said = program.run("fsck", "--repair")
    assert said.status == 1
    assert said.stderr.startswith(f"ERROR: the cache {program.cache} belongs to uid 12345\nhint: ")


def test_an_ordinary_users_cache() -> None:
    user = make_ordinary_user()
    with folder_of(user) as folder:
        program = Program(folder=folder, definitions=small_tree(folder / "definitions"), user=user)
        subprocess.run(["chown", "-R", user, program.definitions], check=True)
        program.done("build", "small")
        assert program.done("fsck").stdout.endswith(": all sound\n")
        flip(file_of_lib(program))
        assert program.run("fsck").status == 1
        program.done("fsck", "--repair")
        assert program.done("fsck").stdout.endswith(": all sound\n")


def test_no_cache_is_no_damage(tmp_path: Path) -> None:
    program = Program(folder=tmp_path, definitions=tmp_path)
    said = program.done("fsck")
    assert (said.stdout, said.stderr) == ("nothing is cached: all sound\n", "")
    assert json.loads(program.done("fsck", "--json").stdout) == {"checked": {}, "damaged": []}
    assert not program.cache.exists()


def test_wrong_use(tmp_path: Path) -> None:
    said = Program(folder=tmp_path, definitions=tmp_path).run("fsck", "everything")
    assert (said.status, said.stdout) == (2, "")
    assert said.stderr.startswith("ERROR: too many arguments: everything\n")


@needs_root
def test_somebody_elses_commit_is_no_damage(program: Program) -> None:
    repository = f"--repo={program.cache / 'ostree'}"
    tree = f"--tree=dir={program.definitions}"
    subprocess.run(["ostree", repository, "commit", "-b", "mine", tree], check=True, capture_output=True)
    assert program.done("fsck", "--repair").stdout.endswith(": all sound\n")
    assert Repository(program.cache / "ostree").ref("mine") is not None


def test_a_layer_of_another_version_is_no_damage(program: Program) -> None:
    index = layer_of_lib(program) / "index"
    index.write_text('{"version": 1, "fingerprint": "of another kind"}')
    assert program.done("fsck").stdout.endswith(": all sound\n")
    assert index.read_text() == '{"version": 1, "fingerprint": "of another kind"}'
    index.write_text("[]")
    assert program.run("fsck").status == 1
