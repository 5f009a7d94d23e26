"""Hostile git repositories: trees that no work tree could hold, submodules, URLs, refs, configuration; and patches."""

from __future__ import annotations

import hashlib
import os
import subprocess
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lithify.cache import open_cache
from lithify.definitions.model import GitSource, LocalSource, PatchSource, Source
from lithify.graph.pins import git_pin
from lithify.process import tool_environment
from lithify.sources.git import GitKind
from lithify.sources.git_files import CommitPlace, lay_out
from lithify.sources.kinds import KINDS
from lithify.sources.local import below_definitions
from tests.hostile.bench import Case, Cases, Scene
from tests.hostile.sources import composed, context

Node = tuple[str, bytes, str]
"""Mode, name, object."""

IDENTITY = {
    name: value
    for who in ("AUTHOR", "COMMITTER")
    for name, value in (
        (f"GIT_{who}_NAME", "T"),
        (f"GIT_{who}_EMAIL", "t@example.invalid"),
        (f"GIT_{who}_DATE", "1700000000 +0000"),
    )
}


class Repository:
    """A bare repository whose objects are written as bytes: git itself would refuse many of them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "-q", "--bare")

    def git(self, *words: str) -> str:
        """Run git and return what it said."""
        environment = {**tool_environment(IDENTITY), "GIT_CONFIG_GLOBAL": "/dev/null"}
        done = subprocess.run(
            ["git", *words], cwd=self.path, env=environment, check=True, stdout=subprocess.PIPE
        )
        return done.stdout.decode().strip()

    def put(self, kind: str, content: bytes) -> str:
        """Write an object and return its name."""
        data = f"{kind} {len(content)}\0".encode() + content
        name = hashlib.sha1(data).hexdigest()
        path = self.path / "objects" / name[:2] / name[2:]
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            path.write_bytes(zlib.compress(data))
        return name

    def file(self, name: bytes, content: bytes = b"x", mode: str = "100644") -> Node:
        """Return an entry that is a file."""
        return mode, name, self.put("blob", content)

    def link(self, name: bytes, target: bytes) -> Node:
        """Return an entry that is a symlink."""
        return "120000", name, self.put("blob", target)

    def folder(self, name: bytes, *nodes: Node) -> Node:
        """Return an entry that is a folder."""
        return "40000", name, self.tree(nodes)

    def tree(self, nodes: Sequence[Node]) -> str:
        """Write a tree with entries as they are given, and return its name."""
        return self.put(
            "tree",
            b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(sha) for mode, name, sha in nodes),
        )

    def commit(self, *nodes: Node) -> str:
        """Write a commit on the branch main and return its name."""
        who = "T <t@example.invalid> 1700000000 +0000"
        text = f"tree {self.tree(nodes)}\nauthor {who}\ncommitter {who}\n\nhostile\n"
        name = self.put("commit", text.encode())
        (self.path / "refs" / "heads" / "main").write_text(name + "\n")
        return name


Make = Callable[[Repository], Sequence[Node]]


def from_git(make: Make, check: Callable[[Path], object] | None = None) -> Callable[[Scene], object]:
    """Return a case's act: a commit is fetched and laid out as a chunk's source."""

    def act(scene: Scene) -> None:
        repository = Repository(scene.work / "repository")
        commit = repository.commit(*make(repository))
        made = context(scene)
        source = GitSource(url=str(repository.path), ref=commit)
        GitKind().fetch(source, git_pin(commit), made)
        top = composed(scene, [source], {source: git_pin(commit)})
        if check is not None:
            check(top)

    return act


def as_definitions(make: Make, check: Callable[[Path], object] | None = None) -> Callable[[Scene], object]:
    """Return a case's act: a commit of definitions is laid out as files."""

    def act(scene: Scene) -> None:
        repository = Repository(scene.work / "repository")
        commit = repository.commit(*make(repository))
        top = lay_out(
            CommitPlace(repository=repository.path, commit=commit), open_cache(scene.work / "cache")
        )
        if check is not None:
            check(top)

    return act


def _nested(repository: Repository, levels: int) -> Node:
    node = repository.file(b"f")
    for _ in range(levels):
        node = repository.folder(b"deep", node)
    return node


OUT = b"../../outside/secret"
TREES: dict[str, Make] = {
    "a folder ..": lambda r: [r.folder(b"..", r.file(b"evil"))],
    "a folder .. in a folder": lambda r: [r.folder(b"a", r.folder(b"..", r.folder(b"..", r.file(b"evil"))))],
    "a file ..": lambda r: [r.file(b"..")],
    "a folder .": lambda r: [r.folder(b".", r.file(b"evil"))],
    "a folder .git": lambda r: [r.folder(b".git", r.file(b"config", b"[core]\n\tfsmonitor = touch evil\n"))],
    "a folder .GIT": lambda r: [r.folder(b".GIT", r.file(b"config"))],
    "a folder git~1": lambda r: [r.folder(b"git~1", r.file(b"config"))],
    "a slash in a name": lambda r: [r.file(b"../evil")],
    "a name from the root": lambda r: [r.file(b"/var/tmp/lithify-hostile-evil")],
    "a name without letters": lambda r: [r.file(b"")],
    "a link, and a folder of its name": lambda r: [
        r.link(b"a", b"../../outside"),
        r.folder(b"a", r.file(b"evil")),
    ],
    "a folder, and a link of its name": lambda r: [
        r.folder(b"a", r.file(b"evil")),
        r.link(b"a", b"../../outside"),
    ],
    "a file, and a folder of its name": lambda r: [r.file(b"a"), r.folder(b"a", r.file(b"evil"))],
    "the same name twice": lambda r: [r.file(b"a", b"1"), r.file(b"a", b"2")],
    "a mode that is none": lambda r: [r.file(b"a", mode="777")],
    "a mode of a device": lambda r: [r.file(b"a", mode="020666")],
    "a name of 300 bytes": lambda r: [r.file(b"n" * 300)],
    "folders 2,000 deep": lambda r: [_nested(r, 2000)],  # from 2,048 on, later versions of git send none
    "an object that is missing": lambda r: [("100644", b"a", "1" * 40)],
    "an object of another kind": lambda r: [("40000", b"a", r.put("blob", b"x"))],
    "a symlink of 5,000 bytes": lambda r: [r.link(b"l", b"t" * 5000)],
    "a symlink to nothing": lambda r: [r.link(b"l", b"")],
    "a NUL in a symlink": lambda r: [r.link(b"l", b"a\0b")],
}
"""Trees that are refused when they are laid out, or come out as something harmless."""
MADE_SOUND_BY_GIT = frozenset(
    {
        "a link, and a folder of its name",
        "a folder, and a link of its name",
        "a file, and a folder of its name",
        "the same name twice",
        "a mode that is none",
        "a mode of a device",
        "a NUL in a symlink",
    }
)
"""What git's checkout makes one plain file, link or folder of."""
MADE_SOUND_BY_US = frozenset(
    {"a folder git~1", "a mode that is none", "a mode of a device", "the same name twice"}
)

KEPT: dict[str, tuple[Make, Callable[[Path], object]]] = {
    "a name with a newline": (lambda r: [r.file(b"a\nb")], lambda top: (top / "a\nb").read_text()),
    "a name of arbitrary bytes": (
        lambda r: [r.file(b"\xff\xfe")],
        lambda top: os.lstat(os.fsencode(top) + b"/\xff\xfe"),
    ),
    "a name like an option": (
        lambda r: [r.file(b"--output=x")],
        lambda top: (top / "--output=x").read_text(),
    ),
    "a name of 255 bytes": (lambda r: [r.file(b"n" * 255)], lambda top: (top / ("n" * 255)).read_text()),
    "a symlink that leads out": (lambda r: [r.link(b"l", OUT)], lambda top: os.readlink(top / "l")),
    "a symlink that leads from the root": (
        lambda r: [r.link(b"l", b"/etc/passwd")],
        lambda top: os.readlink(top / "l"),
    ),
    "attributes that run a filter": (
        lambda r: [r.file(b".gitattributes", b"* filter=evil diff=evil merge=evil\n"), r.file(b"f")],
        lambda top: (top / "f").read_text(),
    ),
    "an ident that is filled in, and an encoding": (
        lambda r: [
            r.file(b".gitattributes", b"* ident working-tree-encoding=UTF-16 eol=crlf\n"),
            r.file(b"f", b"$Id$\n"),
        ],
        lambda top: (top / "f").read_bytes(),
    ),
    "an export that is left out": (
        lambda r: [r.file(b".gitattributes", b"* export-ignore\n"), r.file(b"f")],
        lambda top: (top / "f").read_text(),
    ),
}


SENT_BY_NOBODY = frozenset(
    {"a name without letters", "an object that is missing", "an object of another kind"}
)
"""What git does not even send, or take."""


def tree_cases() -> Iterator[tuple[str, Case]]:
    for name, make in TREES.items():
        said = "cannot fetch the repository" if name in SENT_BY_NOBODY else "cannot check out"
        yield f"git: {name}", Case(from_git(make), refused=None if name in MADE_SOUND_BY_GIT else said)
        said = "is missing" if name == "an object that is missing" else "commit "
        is_sound = name in MADE_SOUND_BY_US
        yield (
            f"definitions of a commit: {name}",
            Case(as_definitions(make), refused=None if is_sound else said),
        )
    for name, (make, check) in KEPT.items():
        yield f"git: {name}", Case(from_git(make, check))
        yield f"definitions of a commit: {name}", Case(as_definitions(make, check))


def with_submodule(modules: bytes, *nodes: bytes, inner: bool = True) -> Callable[[Scene], object]:
    """Return a case's act: a repository with a ``.gitmodules`` and submodules at ``nodes``."""

    def act(scene: Scene) -> None:
        other = Repository(scene.work / "inner")
        commit = other.commit(other.file(b"evil"))

        def make(repository: Repository) -> Sequence[Node]:
            text = modules.replace(b"INNER", os.fsencode(other.path)).replace(
                b"OUTSIDE", os.fsencode(scene.outside)
            )
            links = [("160000", node, commit) for node in nodes]
            return [repository.file(b".gitmodules", text), *links]

        from_git(make)(scene)

    return act


def _module(name: bytes, path: bytes, url: bytes, more: bytes = b"") -> bytes:
    return b'[submodule "%s"]\n\tpath = %s\n\turl = %s\n%s' % (name, path, url, more)


def submodule_cases() -> Iterator[tuple[str, Case]]:
    urls = {
        b"ext::sh -c touch% evil": "names a program to run",
        b"--upload-pack=touch evil": "would be taken for an option",
        b"-oProxyCommand=touch evil": "would be taken for an option",
        b"fd::17": "names a program to run",
        b"ssh://-oProxyCommand=x/y": "would be taken for an option",
        b"user@-oProxyCommand=x:y": "would be taken for an option",
        b"javascript:x": "cannot fetch the repository",
        b"https://host/\\n": "is no URL",
    }
    for url, said in urls.items():
        yield (
            f"submodule: the URL {url.decode()}",
            Case(with_submodule(_module(b"m", b"m", url), b"m"), refused=said),
        )
    paths = (
        b"..",
        b"../evil",
        b"/var/tmp/lithify-hostile-evil",
        b".git",
        b".git/hooks",
        b"a/../../evil",
        b".",
    )
    for path in paths:
        yield (
            f"submodule: at {path.decode()}",
            Case(with_submodule(_module(b"m", path, b"INNER"), path), refused="cannot check out"),
        )
    yield (
        "submodule: a name that leads out",
        Case(with_submodule(_module(b"../../evil", b"m", b"INNER"), b"m")),
    )
    yield (
        "submodule: an update that is a command",
        Case(with_submodule(_module(b"m", b"m", b"INNER", b"\tupdate = !touch evil\n"), b"m")),
    )
    yield (
        "submodule: a .gitmodules that includes a file",
        Case(
            with_submodule(b"[include]\n\tpath = OUTSIDE/secret\n" + _module(b"m", b"m", b"INNER"), b"m"),
            refused="cannot be read",
        ),
    )
    yield (
        "submodule: a .gitmodules that is no configuration",
        Case(with_submodule(b"\0\xff[[[", b"m")),
    )
    yield (
        "submodule: a .gitmodules of a megabyte",
        Case(with_submodule(_module(b"m", b"m", b"INNER") * 20_000, b"m")),
    )
    yield "submodule: itself", Case(_of_itself, refused="is not in the repository")
    yield (
        "submodule: a .gitmodules that is a link",
        Case(
            from_git(lambda r: [r.link(b".gitmodules", b"../../outside/secret"), ("160000", b"m", "1" * 40)]),
            refused="invalid path",
        ),
    )


def _of_itself(scene: Scene) -> None:
    """A submodule cannot name the commit that it is in, so it names one that is not there."""
    repository = Repository(scene.work / "repository")
    modules = repository.file(b".gitmodules", _module(b"m", b"m", os.fsencode(repository.path)))
    commit = repository.commit(modules, ("160000", b"m", "2" * 40))
    source = GitSource(url=str(repository.path), ref=commit)
    GitKind().fetch(source, git_pin(commit), context(scene))


def repository_cases() -> Iterator[tuple[str, Case]]:
    for name, break_it in BROKEN.items():
        yield f"repository: {name}", Case(_broken(break_it), refused="the repository ")
    for name, spoil in SPOILED.items():
        yield f"repository: {name}", Case(_broken(spoil))


def _broken(change: Callable[[Repository, Scene], object]) -> Callable[[Scene], object]:
    def act(scene: Scene) -> None:
        repository = Repository(scene.work / "repository")
        commit = repository.commit(repository.file(b"f"))
        change(repository, scene)
        made = context(scene)
        source = GitSource(url=str(repository.path), ref="main")
        GitKind().pin(source, made)
        composed(scene, [source], {source: git_pin(commit)})
        assert not list(scene.work.rglob("*evil*"))

    return act


def _configured(text: str) -> Callable[[Repository, Scene], object]:
    def change(repository: Repository, scene: Scene) -> None:
        with (repository.path / "config").open("a") as file:
            file.write(text.replace("EVIL", str(scene.work / "evil")))

    return change


def _hooks(repository: Repository, scene: Scene) -> None:
    (repository.path / "hooks").mkdir(exist_ok=True)
    for name in ("pre-receive", "post-checkout", "reference-transaction", "post-upload-pack", "pre-auto-gc"):
        hook = repository.path / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {scene.work}/evil-{name}\n")
        hook.chmod(0o755)


def _ref(name: str, content: str | None = None) -> Callable[[Repository, Scene], object]:
    def change(repository: Repository, scene: Scene) -> None:
        path = repository.path / "refs" / "heads" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        main = (repository.path / "refs" / "heads" / "main").read_text()
        path.write_text(main if content is None else content)

    return change


SPOILED: dict[str, Callable[[Repository, Scene], object]] = {
    "a file system monitor": _configured("[core]\n\tfsmonitor = touch EVIL\n"),
    "a hooks folder": _configured("[core]\n\thooksPath = /tmp\n"),
    "an ssh command": _configured("[core]\n\tsshCommand = touch EVIL\n"),
    "a pager and an editor": _configured("[core]\n\tpager = touch EVIL\n\teditor = touch EVIL\n"),
    "a hook of upload-pack": _configured("[uploadpack]\n\tpackObjectsHook = touch EVIL\n"),
    "a credential helper": _configured("[credential]\n\thelper = !touch EVIL\n"),
    "an alias": _configured("[alias]\n\tfetch = !touch EVIL\n\tcat-file = !touch EVIL\n"),
    "a configuration that is included": _configured("[include]\n\tpath = /dev/zero-not-there\n"),
    "hooks": lambda repository, scene: _hooks(repository, scene),
    "a branch like an option": _ref("-x"),
    "1,000 branches": lambda repository, scene: (repository.path / "packed-refs").write_text(
        "# pack-refs with: peeled fully-peeled sorted\n"
        + "".join(
            f"{(repository.path / 'refs/heads/main').read_text().strip()} refs/heads/b{number:06}\n"
            for number in range(1000)
        )
    ),
}
"""What a repository may have, without anything of it taking effect."""

BROKEN: dict[str, Callable[[Repository, Scene], object]] = {
    "a branch like a command": _ref("--upload-pack=touch evil"),
    "no HEAD": lambda repository, scene: (repository.path / "HEAD").unlink(),
    "a branch that is no commit": lambda repository, scene: (repository.path / "refs/heads/main").write_text(
        "no\n"
    ),
    "a branch that names what is missing": _ref("main", "1" * 40 + "\n"),
    "a branch that leads to itself": _ref("main", "ref: refs/heads/main\n"),
    "a configuration that is none": _configured("\n[[[\n"),
    "no objects": lambda repository, scene: subprocess.run(
        ["rm", "-r", str(repository.path / "objects")], check=True
    ),
    "objects cut off": lambda repository, scene: [
        path.write_bytes(path.read_bytes()[:5]) for path in (repository.path / "objects").glob("??/*")
    ],
    "an object that grows 1,000 times and is another": lambda repository, scene: [
        path.write_bytes(zlib.compress(b"blob 67108864\0" + bytes(64 << 20)))
        for path in (repository.path / "objects").glob("??/*")
    ],
}

ORIGINAL = "".join(f"line {number}\n" for number in range(1, 31))


def _patched(text: str, make: Callable[[Path, Scene], object] | None = None) -> Callable[[Scene], object]:
    """Return a case's act: a patch on a folder with one file."""

    def act(scene: Scene) -> None:
        root = scene.work / "definitions"
        (root / "project" / "src").mkdir(parents=True)
        (root / "project" / "src" / "file").write_text(ORIGINAL)
        if make is not None:
            make(root, scene)
        (root / "x.patch").write_text(text.replace("OUTSIDE", str(scene.outside)))
        sources: list[Source] = [LocalSource(path="project"), PatchSource(path="x.patch")]
        composed(scene, sources)
        assert not (scene.work / "evil").exists()

    return act


def _adds(path: str) -> str:
    return f"--- /dev/null\n+++ {path}\n@@ -0,0 +1 @@\n+evil\n"


def patch_cases() -> Iterator[tuple[str, Case]]:
    no = "does not apply"
    table = {
        "a path that leads up": _adds("b/../../evil"),
        "a path that leads up and back": _adds("b/src/../../../evil"),
        "a rename out": "diff --git a/src/file b/../../evil\nsimilarity index 100%\n"
        "rename from src/file\nrename to ../../evil\n",
        "a copy out": "diff --git a/src/file b/../evil\nsimilarity index 100%\ncopy from src/file\ncopy to ../evil\n",
        "an ed script": "1d\n!touch evil\nw\n.\n",
        "an ed script with a header": "--- a/src/file\n+++ b/src/file\n1!touch evil\n",
        "no patch": "nothing\n",
        "a hunk of 10^18 lines": "--- a/src/file\n+++ b/src/file\n@@ -1,1000000000000000000 +1,1 @@\n-line 1\n",
        "a hunk with negative numbers": "--- a/src/file\n+++ b/src/file\n@@ --1,-1 +-1,-1 @@\n-line 1\n",
        "a file where a folder is": _adds("b/src"),
        "a name of 5,000 bytes": _adds("b/" + "n" * 5000),
    }
    for name, text in table.items():
        yield f"patch: {name}", Case(_patched(text), refused=no)
    yield (
        "patch: a new link that leads out, then a file through it",
        Case(
            _patched(
                "diff --git a/out b/out\nnew file mode 120000\n--- /dev/null\n+++ b/out\n@@ -0,0 +1 @@\n+OUTSIDE\n"
                "\\ No newline at end of file\n" + _adds("b/out/evil")
            ),
            refused=no,
        ),
    )
    yield (
        "patch: a file through a link of the tree",
        Case(
            _patched(
                _adds("b/out/evil"), lambda root, scene: (root / "project/out").symlink_to(scene.outside)
            ),
            refused=no,
        ),
    )
    yield (
        "patch: a file outside, through a link",
        Case(
            _patched(
                "--- a/l\n+++ b/l\n@@ -1,3 +1,3 @@\n line 1\n-line 2\n+evil\n line 3\n",
                lambda root, scene: (root / "project/l").symlink_to(scene.outside / "folder/file"),
            ),
            refused=no,
        ),
    )
    yield "patch: an absolute path", Case(_patched(_adds("OUTSIDE/evil")))
    yield "patch: a path that is absolute without its first folder", Case(_patched(_adds("b/OUTSIDE/evil")))
    yield (
        "patch: a setuid mode",
        Case(
            _patched("diff --git a/s b/s\nnew file mode 104755\n--- /dev/null\n+++ b/s\n@@ -0,0 +1 @@\n+x\n")
        ),
    )
    yield (
        "patch: a name in quotes with escapes",  # patch 2.8 takes no newline
        Case(_patched('--- /dev/null\n+++ "b/a\\tb\\033c"\n@@ -0,0 +1 @@\n+x\n')),
    )
    yield (
        "patch: of 30 MB",
        Case(
            _patched(
                "--- /dev/null\n+++ b/big\n@@ -0,0 +1,1000000 @@\n" + ("+" + "x" * 29 + "\n") * 1_000_000
            )
        ),
    )
    yield "patch: the file itself is a link out", Case(_linked_patch, refused="leaves the definitions")
    yield (
        "patch: a series that leads out",
        Case(_series("../../outside/secret\n"), refused="there is no patch"),
    )
    yield "patch: a series of options", Case(_series("-p1 --output=evil\n"), refused="there is no patch")


def _linked_patch(scene: Scene) -> None:
    root = scene.work / "definitions"
    root.mkdir()
    (root / "x.patch").symlink_to(scene.outside / "secret")
    KINDS["patch"].pin(PatchSource(path="x.patch"), context(scene))


def _series(text: str) -> Callable[[Scene], object]:
    def act(scene: Scene) -> None:
        folder = scene.work / "definitions" / "p"
        folder.mkdir(parents=True)
        (folder / "series").write_text(text)
        KINDS["patch"].pin(PatchSource(path="p"), context(scene))

    return act


def local_cases() -> Iterator[tuple[str, Case]]:
    def local(
        path: str, make: Callable[[Path, Scene], object] = lambda folder, scene: None
    ) -> Callable[[Scene], object]:
        def act(scene: Scene) -> None:
            folder = scene.work / "definitions" / "own"
            folder.mkdir(parents=True)
            make(folder, scene)
            composed(scene, [LocalSource(path=path)])

        return act

    for path in ("../../outside", "/etc", "own/../../outside"):
        yield (
            f"local: {path}",
            Case(
                lambda scene, path=path: below_definitions(path, scene.work),  # type: ignore[misc]
                refused="leaves the definitions",
            ),
        )
    yield (
        "local: a link out",
        Case(
            local("own/out", lambda folder, scene: (folder / "out").symlink_to(scene.outside)),
            refused="leaves the definitions",
        ),
    )
    yield (
        "local: two links out",
        Case(
            local(
                "own/a/secret",
                lambda folder, scene: (
                    (folder / "a").symlink_to("b"),
                    (folder / "b").symlink_to(scene.outside),
                ),
            ),
            refused="leaves the definitions",
        ),
    )
    yield (
        "local: a loop of links",
        Case(
            local(
                "own/a",
                lambda folder, scene: ((folder / "a").symlink_to("b"), (folder / "b").symlink_to("a")),
            ),
            refused="cannot be read",
        ),
    )
    yield "local: a fifo", Case(local("own", lambda folder, scene: os.mkfifo(folder / "pipe")), refused="own")
    yield (
        "local: a device",
        Case(
            local("own", lambda folder, scene: os.mknod(folder / "d", 0o020666, os.makedev(1, 3))),
            refused="own",
        ),
    )
    yield "local: a name of 5,000 bytes", Case(local("n" * 5000), refused="the local source")
    yield (
        "local: a link in it that leads out",
        Case(local("own", lambda folder, scene: (folder / "l").symlink_to(scene.outside / "secret"))),
    )


CASES: Cases = dict([*tree_cases(), *submodule_cases(), *repository_cases(), *patch_cases(), *local_cases()])
