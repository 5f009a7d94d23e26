"""Hostile texts: definitions, URLs, refs, lock files, settings."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent

from lithify.definitions.tree import load
from lithify.errors import DefinitionErrors
from lithify.graph.validation import faults_of
from lithify.sources.lock import read_lock
from lithify.sources.urls import checked_ref, git_url, web_url
from tests.definitions.test_hostile import WORST
from tests.definitions.test_tree import SOUND
from tests.hostile.bench import Case, Cases, Scene
from tests.program import write_files
from tests.sources.test_urls import HOSTILE_REFS, HOSTILE_URLS

SECONDS = 4.0
"""Processor time for one file of definitions."""


def tree(
    files: Mapping[str, bytes | str], prepare: Callable[[Path, Scene], object] | None = None
) -> Callable[[Scene], object]:
    """Return a case's act: a sound tree, some files of it replaced, is validated."""

    def act(scene: Scene) -> None:
        root = scene.work / "definitions"
        write_files(root, {name: dedent(text).lstrip("\n") for name, text in SOUND.items()})
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        if prepare is not None:
            prepare(root, scene)
        faults = [fault for fault in faults_of(load(root)) if fault.severity == "error"]
        for fault in faults:
            assert fault.place.line >= 1 and fault.place.column >= 1
        if faults:
            raise DefinitionErrors(faults)

    return act


def chunk(text: str | bytes) -> Callable[[Scene], object]:
    """Return a case's act: the tree with another chunk."""
    content = text if isinstance(text, bytes) else text.encode()
    return tree({"chunks/zlib.morph": content})


def more(text: str) -> Callable[[Scene], object]:
    """Return a case's act: the tree with a chunk that has more fields."""
    return chunk("name: zlib\nkind: chunk\n" + text)


def _laughs(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


YAML: dict[str, tuple[str | bytes, str]] = {
    "a billion laughs": ("name: zlib\nkind: chunk\n" + _laughs(10), "chunks/zlib.morph:"),
    "a list in itself": ("name: zlib\nkind: chunk\nsources: &a [*a]\n", "chunks/zlib.morph:3"),
    "a mapping in itself": ("&a\nname: zlib\nkind: chunk\nx: *a\n", "chunks/zlib.morph:"),
    "a merge of itself": ("name: zlib\nkind: chunk\nx: &a {<<: *a}\n", "chunks/zlib.morph:"),
    "200,000 brackets": ("name: zlib\nkind: chunk\nx: " + "[" * 200_000, "chunks/zlib.morph:"),
    "100,000 folders of mappings": ("name: zlib\nkind: chunk\nx: " + "{a: " * 100_000, "chunks/zlib.morph:"),
    "a Python object": (
        "name: zlib\nkind: chunk\nx: !!python/object/apply:os.system [touch evil]\n",
        "chunks/zlib.morph:3",
    ),
    "an object of another language": (
        "name: zlib\nkind: chunk\nx: !ruby/object:Gem::Installer {}\n",
        "chunks/zlib.morph:3",
    ),
    "a field twice": ("name: zlib\nname: other\nkind: chunk\n", "chunks/zlib.morph:2"),
    "a NUL": (b"name: zl\0ib\nkind: chunk\n", "chunks/zlib.morph:"),
    "control characters": (b"name: \x1b[31mzlib\nkind: chunk\n", "chunks/zlib.morph:"),
    "bytes that are no UTF-8": (b"name: \xff\xfe\nkind: chunk\n", "chunks/zlib.morph:"),
    "UTF-16": ("name: zlib\nkind: chunk\n".encode("utf-16"), "chunks/zlib.morph:"),
    "half of a character pair": (b'name: "\\ud800"\nkind: chunk\n', "chunks/zlib.morph:"),
    "50 MB of text": (b"name: zlib\nkind: chunk\ndescription: " + b"x" * 50_000_000, "chunks/zlib.morph:"),
    "two documents": ("name: zlib\nkind: chunk\n---\nname: other\n", "chunks/zlib.morph:"),
    "a list": ("- name\n- kind\n", "chunks/zlib.morph:"),
    "a text": ("zlib\n", "chunks/zlib.morph:"),
    "nothing": ("", "chunks/zlib.morph:"),
    "a number of a million digits": (
        "name: zlib\nkind: chunk\nmax-jobs: " + "9" * 1_000_000,
        "chunks/zlib.morph:3",
    ),
    "an infinite time-out": ("name: zlib\nkind: chunk\ntimeout: .inf\n", "chunks/zlib.morph:3"),
    "a time-out that is no number": ("name: zlib\nkind: chunk\ntimeout: .nan\n", "chunks/zlib.morph:3"),
    "a name of 10,000 letters": ("name: " + "n" * 10_000 + "\nkind: chunk\n", "chunks/zlib.morph:1"),
    "a name that leads out": ("name: ../../evil\nkind: chunk\n", "chunks/zlib.morph:1"),
    "a name from the root": ("name: /evil\nkind: chunk\n", "chunks/zlib.morph:1"),
    "a name like an option": ("name: -x\nkind: chunk\n", "chunks/zlib.morph:1"),
    "a name with a newline": ('name: "a\\nb"\nkind: chunk\n', "chunks/zlib.morph:1"),
    "a kind of its own": ("name: zlib\nkind: evil\n", "chunks/zlib.morph:2"),
}

DEVICE = "devices: [{type: %s, filename: %s, permissions: '666', major: 1, minor: 3, uid: 0, gid: 0}]\n"

FIELDS: dict[str, str] = {
    "a source that leads out": "sources: [{kind: local, path: ../../outside}]\n",
    "a source from the root": "sources: [{kind: local, path: /etc}]\n",
    "a source laid out above": "sources: [{kind: local, path: files, into: ../..}]\n",
    "a source laid out at the root": "sources: [{kind: local, path: files, into: /etc}]\n",
    "a source with a NUL": 'sources: [{kind: local, path: "files\\0"}]\n',
    "a source of an unknown kind": "sources: [{kind: evil, path: files}]\n",
    "a patch that leads out": "sources: [{kind: patch, path: ../../outside/secret}]\n",
    "an archive like an option": "sources: [{kind: archive, url: --output=evil}]\n",
    "an archive with a digest that is none": "sources: [{kind: archive, url: 'https://h/x', sha256: ../evil}]\n",
    "a strip of -1": "sources: [{kind: archive, url: 'https://h/x', strip: -1}]\n",
    "a strip of 10^30": "sources: [{kind: archive, url: 'https://h/x', strip: 1000000000000000000000000000000}]\n",
    "a package like an option": "sources: [{kind: debian, packages: [--yes], suite: x}]\n",
    "a suite that leads out": "sources: [{kind: debian, packages: [x], suite: ../../evil}]\n",
    "a suite with a newline": 'sources: [{kind: debian, packages: [x], suite: "a\\nDeb http://h"}]\n',
    "a git repository and a program": "sources: [{kind: git, url: 'ext::sh -c evil', ref: main}]\n",
    "a git repository like an option": "sources: [{kind: git, url: --upload-pack=evil, ref: main}]\n",
    "a ref like an option": "sources: [{kind: git, url: 'https://h/x', ref: --upload-pack=evil}]\n",
    "a device that leads out": DEVICE % ("c", "../../evil"),
    "a device of a kind of its own": DEVICE % ("x", "d"),
    "a pattern that is none": "products: [{artifact: zlib-x, include: ['(']}]\n",
    "a pattern that may take for ever": "products: [{artifact: zlib-x, include: ['(a+)+\\1$']}]\n",
    "a pattern that repeats repeats": "products: [{artifact: zlib-x, include: ['(((a{1,999}){1,999}){1,999}){1,999}']}]\n",
    "a prefix that leads out": "prefix: /usr/../../..\n",
    "a variable that is no name": "environment: {'a b': x}\n",
    "a variable with a NUL": 'environment: {A: "x\\0y"}\n',
    "a command with a NUL": 'install-commands: ["echo \\0"]\n',
    "a build system that leads out": "build-system: ../../evil\n",
}


def definition_cases() -> Iterator[tuple[str, Case]]:
    for name, (text, said) in YAML.items():
        yield f"yaml: {name}", Case(chunk(text), refused=said, seconds=SECONDS)
    for name, text in FIELDS.items():
        yield f"field: {name}", Case(more(text), refused="chunks/zlib.morph:3", seconds=SECONDS)
    stratum = "name: base\nkind: stratum\nchunks:\n- {name: zlib, morph: %s}\n"
    for path in (
        "../../outside/secret",
        "/etc/passwd",
        "chunks",
        "-x",
        ".",
        "nothing",
        "chunks/../../outside",
    ):
        yield (
            f"link: {path}",
            Case(tree({"strata/base.morph": stratum % path}), refused="strata/base.morph:4", seconds=SECONDS),
        )
    yield (
        "file: a link out",
        Case(
            tree({}, lambda root, scene: _linked(root / "chunks/zlib.morph", scene.outside / "secret")),
            refused="zlib.morph",
            seconds=SECONDS,
        ),
    )
    yield (
        "file: a loop of links",
        Case(
            tree({}, lambda root, scene: _linked(root / "chunks/zlib.morph", root / "chunks/zlib.morph")),
            refused="zlib.morph",
            seconds=SECONDS,
        ),
    )
    yield (
        "file: a fifo",
        Case(
            tree({}, lambda root, scene: _fifo(root / "chunks/zlib.morph")),
            refused="zlib.morph",
            seconds=SECONDS,
        ),
    )
    yield (
        "file: a device without an end",
        Case(
            tree({}, lambda root, scene: _linked(root / "chunks/zlib.morph", Path("/dev/zero"))),
            refused="zlib.morph",
            seconds=SECONDS,
        ),
    )
    yield (
        "file: a folder",
        Case(
            tree(
                {},
                lambda root, scene: (
                    (root / "chunks/zlib.morph").unlink(),
                    (root / "chunks/zlib.morph").mkdir(),
                ),
            ),
            refused="zlib.morph",
            seconds=SECONDS,
        ),
    )
    yield (
        "folder: a loop of links",
        Case(tree({}, lambda root, scene: (root / "strata/again").symlink_to("..")), seconds=SECONDS),
    )
    yield (
        "folder: 3,000 deep",
        Case(tree({}, lambda root, scene: _nest(root, 3000)), refused=None, seconds=SECONDS),
    )
    yield (
        "folder: a name that is no UTF-8",
        Case(
            tree(
                {}, lambda root, scene: Path(str(root) + "/\udcff.morph").write_text("name: x\nkind: chunk\n")
            ),
            seconds=SECONDS,
        ),
    )
    yield (
        "version: 10^30",
        Case(tree({"VERSION": "version: 1" + "0" * 30}), refused="VERSION", seconds=SECONDS),
    )
    yield (
        "version: a list in itself",
        Case(tree({"VERSION": "&a [*a]\n"}), refused="VERSION", seconds=SECONDS),
    )
    yield (
        "version: a link out",
        Case(
            tree({}, lambda root, scene: _linked(root / "VERSION", scene.outside / "secret")),
            refused="VERSION",
            seconds=SECONDS,
        ),
    )
    circle = stratum % "chunks/zlib.morph" + "build-depends: [{morph: strata/top.morph}]\n"
    yield (
        "strata that need each other",
        Case(tree({"strata/base.morph": circle}), refused="strata/", seconds=SECONDS),
    )
    yield (
        "a chunk that needs itself",
        Case(
            tree({"strata/base.morph": stratum % "chunks/zlib.morph" + "  build-depends: [zlib]\n"}),
            refused="strata/base.morph:",
            seconds=SECONDS,
        ),
    )


def _worst(make: Callable[[], bytes]) -> Callable[[Scene], object]:
    def act(scene: Scene) -> None:
        try:
            chunk(make())(scene)
        except DefinitionErrors as error:
            assert len(error.faults) <= 500
            assert all(len(fault.message) < 300 for fault in error.faults)

    return act


def _linked(path: Path, target: Path) -> None:
    path.unlink()
    path.symlink_to(target)


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _nest(root: Path, levels: int) -> None:
    descriptor = os.open(root, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)


ARCHIVE_URLS = (
    "file:///etc/passwd",
    "ftp://h/x",
    "/etc/passwd",
    "https://",
    "-x",
    "https://h/\n",
    "gopher://h",
    "data:x",
)


def address_cases() -> Iterator[tuple[str, Case]]:
    """URLs and refs, wherever definitions may have them, and where a command line gives them."""
    git = "name: zlib\nkind: chunk\nsources:\n- kind: git\n  url: %s\n  ref: %s\n"
    old = "name: base\nkind: stratum\nchunks:\n- name: zlib\n  build-system: manual\n  repo: %s\n  ref: %s\n"
    for url in HOSTILE_URLS:
        given = json.dumps(url)
        said = "the repository" if url.isprintable() and url.strip() == url != "" else "is no URL"
        yield f"git URL: {url!r}", Case(lambda scene, url=url: git_url(url, scene.work), refused=said)  # type: ignore[misc]
        yield f"url of a source: {url!r}", _refused(chunk(git % (given, "main")), "chunks/zlib.morph:5:")
        base = tree({"strata/base.morph": old % (given, "main")})
        yield f"repo of a chunk: {url!r}", _refused(base, "strata/base.morph:6:")
    for ref in HOSTILE_REFS:
        given = json.dumps(ref)
        yield f"ref: {ref!r}", Case(lambda scene, ref=ref: checked_ref(ref), refused="the ref")  # type: ignore[misc]
        yield (
            f"ref of a source: {ref!r}",
            _refused(chunk(git % ("https://h/x", given)), "chunks/zlib.morph:6:"),
        )
        base = tree({"strata/base.morph": old % ("https://h/x", given)})
        yield f"ref of a chunk: {ref!r}", _refused(base, "strata/base.morph:7:")
    for url in ARCHIVE_URLS:
        said = "cannot be downloaded" if url.isprintable() else "is no URL"
        yield f"archive URL: {url!r}", Case(lambda scene, url=url: web_url(url), refused=said)  # type: ignore[misc]


def _refused(act: Callable[[Scene], object], place: str) -> Case:
    return Case(act, refused=place, seconds=SECONDS)


LOCKS: dict[str, bytes] = {
    "a digest that leads out": b"archive url=x\n  sha256 ../../../evil\n  size 1\n",
    "a size of -1": b"archive url=x\n  sha256 " + b"a" * 64 + b"\n  size -1\n",
    "a size of 10^5000": b"archive url=x\n  sha256 " + b"a" * 64 + b"\n  size 1" + b"0" * 5000 + b"\n",
    "a commit like an option": b"git url=x\n  commit --upload-pack=evil\n",
    "a commit of 39 letters": b"git url=x\n  commit " + b"a" * 39 + b"\n",
    "a conflict": b"<<<<<<< ours\n",
    "bytes that are no UTF-8": b"\xff\xfe",
    "a quote that does not end": b'git url="x\n',
    "lines of no block": b"  commit x\n",
    "an unknown kind": b"evil x=y\n  a b\n",
    "20 MB of one line": b"x" * 20_000_000,
    "a million lines": b"x\n" * 1_000_000,
}


def lock_cases() -> Iterator[tuple[str, Case]]:
    def lock(content: bytes) -> Callable[[Scene], object]:
        def act(scene: Scene) -> None:
            (scene.work / "lithify.lock").write_bytes(content)
            read_lock(scene.work / "lithify.lock")

        return act

    for name, content in LOCKS.items():
        yield f"lock: {name}", Case(lock(content), refused="lithify.lock", seconds=SECONDS)


CASES: Cases = dict([*definition_cases(), *address_cases(), *lock_cases()])
LONG: Cases = {
    f"worst: {name}": Case(_worst(make), seconds=SECONDS, megabytes=500) for name, make in WORST.items()
}
"""What ``tests/definitions`` plays as well."""
