"""A kept answer is never given once anything that it rests on has changed; and it is given while nothing has."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from lithify.build.metadata import definition_ref, licensing_facts
from lithify.cache import CacheFolder, open_cache
from lithify.config import Settings
from lithify.definitions.model import GitSource
from lithify.events import ignore
from lithify.graph.keys import known
from lithify.graph.pins import git_pin, source_identity
from lithify.schedule.request import Request, request_for
from lithify.schedule.session import open_session
from lithify.schedule.standing import Standing, answer_path, code_stamp, question, sealed, standing_answer
from lithify.schedule.witness import keep_answer, keep_mounted
from lithify.sources.lock import LOCK_NAME, Lock, write_lock
from lithify.store.gvariant import Dirmeta, Dirtree, Tree
from lithify.store.manifest import Manifest
from lithify.store.writing import Store
from tests.program import write_files

FILES = {
    "VERSION": "version: 9\n",
    "systems/s.morph": "name: s\nkind: system\narch: x86_64\nstrata:\n- name: one\n  morph: strata/one.morph\n",
    "strata/one.morph": """\
name: one
kind: stratum
chunks:
- name: a
  morph: chunks/a.morph
- name: b
  morph: chunks/b.morph
  build-depends:
  - a
- name: c
  repo: https://example.invalid/c.git
  ref: main
  build-system: manual
""",
    "chunks/a.morph": "name: a\nkind: chunk\nlicence: MIT\nsources:\n- kind: local\n  path: files/a\n",
    "chunks/b.morph": """\
name: b
kind: chunk
sources:
- kind: local
  path: files/single
- kind: patch
  path: patches/one.patch
- kind: patch
  path: patches/more
""",
    "files/a/x": "one\n",
    "files/a/y": "two\n",
    "files/a/sub/z": "deep\n",
    "files/single": "alone\n",
    "files/beside": "nobody reads this\n",
    "patches/one.patch": "--- a/single\n+++ b/single\n@@ -1 +1 @@\n-alone\n+all one\n",
    "patches/more/series": "1.patch\n",
    "patches/more/1.patch": "--- a/single\n+++ b/single\n@@ -1 +1 @@\n-all one\n+all two\n",
}
READ = tuple(name for name in FILES if name != "files/beside")
LATER = 10_000_000_000
"""Ten seconds: as if everything had been written that long before the definitions were read."""


class Kept(Struct, frozen=True):
    """A definitions tree whose system is in a store, and whose answer was kept."""

    root: Path
    cache: CacheFolder
    settings: Settings
    text: str
    commit: str
    ref: str

    def known(self, **changed: Any) -> Standing:
        """Return what is known without asking."""
        return standing_answer(self.cache, self.root, self.root, "s", replace(self.settings, **changed))

    def answer(self, **changed: Any) -> str | None:
        """Return what is answered without asking."""
        return self.known(**changed).text

    def asked(self) -> Request:
        """Return what the ordinary way says."""
        session = open_session(self.root, self.settings, ignore, {})
        try:
            return request_for(session, session.definitions.locate("s", kind="system", cwd=self.root))
        finally:
            session.facts.close()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(open_cache(tmp_path_factory.mktemp("cache")), sync=False, min_free=1 << 20)
    yield store
    store.close()


def kept(store: Store, root: Path, *, settled: bool) -> Kept:
    """Write the tree, put what stands for its system into the store, and keep the answer.

    ``settled``: as if all files had been at rest for long, so that their status is relied upon; else contents are compared.
    """
    write_files(root, FILES)
    if not settled:  # a patch that changed a moment ago keeps no answer at all
        write_files(root, {"chunks/b.morph": FILES["chunks/b.morph"].partition("- kind: patch")[0]})
    (root / "files/a/link").symlink_to("x")
    source = GitSource(url="https://example.invalid/c.git", ref="main")
    write_lock(root / LOCK_NAME, Lock(pins={source_identity(source): git_pin("1" * 40)}))
    options = Settings(cachedir=store.cache.root, trove_host="")
    session = open_session(root, options, ignore, {})
    if settled:
        wait_for_another_time(root)
        session = replace(session, began=session.began + LATER)
    request = request_for(session, "systems/s.morph")
    ref = definition_ref(known(request.resolved.keys.system))
    with store.transaction() as transaction:
        tree = Tree(transaction.write_dirtree(Dirtree()), transaction.write_dirmeta(Dirmeta()))
        metadata = {
            "name": "s",
            "content": "0" * 64,
            "manifest": Manifest().to_json(),
            "facts": licensing_facts(request.resolved.graph),
        }
        commit = transaction.commit(tree, metadata, refs=[ref])
    session.definitions.locate("s", kind="system", cwd=root)
    keep_answer(session, request, root, "s", now=time.time_ns() + (LATER if settled else 0))
    session.facts.close()
    text = "".join(f"{line}\n" for line in request.lines)
    return Kept(root=root, cache=store.cache, settings=options, text=text, commit=commit, ref=ref)


def wait_for_another_time(folder: Path) -> None:
    """Return when a file that is changed gets another time than those written before: the clock of files has ticks."""
    probe = folder.with_name("probe")
    probe.write_text("")
    first = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == first:
        probe.write_text("")
    probe.unlink()


# What may be done to a tree


def edit(root: Path, name: str) -> None:
    """Another content; in a definition, only a comment."""
    with open(root / name, "a") as file:
        file.write("# more\n")


def edit_in_place(root: Path, name: str) -> None:
    """Another byte, the same size, and the old times put back as far as anybody can."""
    path = root / name
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_file(root: Path, name: str) -> None:
    """A new file under the name, with the times of the old one."""
    path = root / name
    before = path.stat()
    aside = path.with_name("aside")
    aside.write_bytes(path.read_bytes().upper())
    os.utime(aside, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(aside, path)


def swap(root: Path, name: str) -> None:
    """Exchange two files of one size."""
    x, y = root / "files/a/x", root / "files/a/y"
    aside = root / "files/aside"
    x.rename(aside)
    y.rename(x)
    aside.rename(y)


def remove(root: Path, name: str) -> None:
    (root / name).unlink(missing_ok=True)


def add_beside(root: Path, name: str) -> None:
    (root / name).with_name("another").write_text("new\n")


def make_executable(root: Path, name: str) -> None:
    (root / name).chmod(0o755)


def touch(root: Path, name: str) -> None:
    os.utime(root / name)


def link_to_a_copy(root: Path, name: str) -> None:
    path = root / name
    target = path.with_name(path.name + ".target")
    path.rename(target)
    path.symlink_to(target.name)


def link_out_of_the_tree(root: Path, name: str) -> None:
    path = root / name
    outside = root.with_name("outside")
    outside.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(outside)


def folder_becomes_a_link(root: Path, name: str) -> None:
    """The folder's files are the very same ones, and stand out of the tree."""
    folder = (root / name).parent
    if folder == root or folder.is_symlink():
        return
    away = root.with_name(f"away-{folder.name}")
    shutil.rmtree(away, ignore_errors=True)
    folder.rename(away)
    folder.symlink_to(away)


def turn_the_link(root: Path, name: str) -> None:
    link = root / "files/a/link"
    link.unlink()
    link.symlink_to("y")


def becomes_a_folder(root: Path, name: str) -> None:
    (root / name).unlink()
    (root / name).mkdir()


def say_defaults(root: Path, name: str) -> None:
    (root / "DEFAULTS").write_text("build-systems:\n  manual:\n    build-commands:\n    - make\n")


def second_of_the_name(root: Path, name: str) -> None:
    write_files(root, {"other/s.morph": FILES["systems/s.morph"].replace("kind: system", "kind: cluster")})


def nearer_of_the_name(root: Path, name: str) -> None:
    """A file that the name means before any other."""
    (root / "s.morph").write_text(FILES["systems/s.morph"].replace("x86_64", "armv7l"))


def another_pin(root: Path, name: str) -> None:
    lock = root / LOCK_NAME
    lock.write_text(lock.read_text().replace("1" * 40, "2" * 40))


def another_licence(root: Path, name: str) -> None:
    path = root / "chunks/a.morph"
    path.write_text(path.read_text().replace("MIT", "BSD"))


Deed = Callable[[Path, str], None]
CHANGES: tuple[Deed, ...] = (
    *(edit, edit_in_place, replace_file, remove, becomes_a_folder, link_out_of_the_tree),
    *(swap, turn_the_link, nearer_of_the_name, another_pin, another_licence),
)
"""After each of them the answer of before is wrong, whichever file they are done to."""
OTHERS: tuple[Deed, ...] = (
    *(add_beside, make_executable, touch, link_to_a_copy, folder_becomes_a_link, say_defaults),
    second_of_the_name,
)


READ_UNSETTLED = tuple(name for name in READ if not name.startswith("patches/"))
CASES = [(deed, name, True) for deed in CHANGES for name in READ] + [
    (deed, name, False) for deed in CHANGES for name in READ_UNSETTLED
]


@pytest.mark.parametrize(("deed", "name", "settled"), CASES)
def test_a_change_is_seen(store: Store, tmp_path: Path, deed: Deed, name: str, settled: bool) -> None:
    one = kept(store, tmp_path / "tree", settled=settled)
    assert one.answer() == one.text
    deed(one.root, name)
    assert one.answer() is None


@settings(max_examples=60, deadline=None)
@given(
    deeds=st.lists(st.tuples(st.sampled_from(CHANGES + OTHERS), st.sampled_from(READ)), max_size=3),
    settled=st.booleans(),
)
def test_what_is_answered_is_what_would_be_answered(
    store: Store,
    tmp_path_factory: pytest.TempPathFactory,
    deeds: list[tuple[Deed, str]],
    settled: bool,
) -> None:
    one = kept(store, tmp_path_factory.mktemp("law") / "tree", settled=settled)
    for deed, name in deeds:
        try:
            deed(one.root, name)
        except OSError:
            continue  # an earlier deed has taken the file away
        answer = one.answer()
        if answer is not None:
            request = one.asked()
            assert request.is_done
            assert answer == "".join(f"{line}\n" for line in request.lines)


@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("deed", [touch, second_of_the_name, link_to_a_copy])
def test_what_changes_no_content_needs_no_question(
    store: Store, tmp_path: Path, deed: Deed, settled: bool
) -> None:
    one = kept(store, tmp_path / "tree", settled=settled)
    deed(one.root, "strata/one.morph")
    named = one.answer()
    assert named == (None if deed is second_of_the_name else one.text)


def test_a_file_that_nobody_read_may_change(store: Store, tmp_path: Path) -> None:
    one = kept(store, tmp_path / "tree", settled=True)
    edit(one.root, "files/beside")
    assert one.answer() == one.text


def test_a_source_changed_a_moment_ago_is_read_again(store: Store, tmp_path: Path) -> None:
    """Its status alone may be that of another content: two writes within one tick of the clock look the same."""
    one = kept(store, tmp_path / "tree", settled=False)
    assert one.answer() == one.text
    swap(one.root, "")
    assert one.answer() is None
    swap(one.root, "")
    assert one.answer() == one.text


@pytest.mark.parametrize(
    "changed",
    [
        {"trove_host": "git.example.invalid"},
        {"repo_alias": ("x=https://example.invalid/%s#x",)},
        {"no_git_update": True},
        {"staging_method": "copy"},
        {"mirror": (("https://example.invalid", "https://mirror.invalid"),)},
    ],
)
def test_other_settings_ask_again(store: Store, tmp_path: Path, changed: dict[str, Any]) -> None:
    one = kept(store, tmp_path / "tree", settled=True)
    assert one.answer(**changed) is None
    assert one.answer(jobs=7, verbose=True, quiet=True) == one.text


def test_another_system_of_that_key_asks_again(store: Store, tmp_path: Path) -> None:
    one = kept(store, tmp_path / "tree", settled=True)
    ref = one.cache.ostree / "refs/heads" / one.ref
    said = ref.read_text()
    ref.write_text("f" * 64 + "\n")
    assert one.answer() is None
    ref.write_text(said)
    assert one.answer() == one.text
    partial = one.cache.ostree / "state" / f"{one.commit}.commitpartial"
    partial.write_text("")
    assert one.answer() is None
    partial.unlink()
    ref.unlink()
    assert one.answer() is None


def test_a_damaged_answer_is_none(store: Store, tmp_path: Path) -> None:
    one = kept(store, tmp_path / "tree", settled=True)
    path = answer_path(one.cache, one.root, one.root, "s")
    content = path.read_bytes()
    for damaged in (b"", content[:-1], content.replace(b"system", b"syste0"), b"\0" * len(content)):
        path.write_bytes(damaged)
        assert one.answer() is None
    records: tuple[dict[str, Any], ...] = ({}, {"circumstances": {}})
    for record in records:
        path.write_bytes(sealed(record))
        assert one.answer() is None


def test_another_version_of_the_program_asks_again(tmp_path: Path) -> None:
    package = write_files(tmp_path / "package", {"a.py": "1\n", "b/c.py": "2\n"})
    before = code_stamp(package)
    (package / "b/__pycache__").mkdir()
    assert code_stamp(package) == before
    (package / "b/d.py").write_text("3\n")
    added = code_stamp(package)
    (package / "a.py").write_text("11\n")
    assert len({before, added, code_stamp(package)}) == 3


def test_what_changed_while_it_was_built_is_not_kept(store: Store, tmp_path: Path) -> None:
    """The answer belongs to the files as they were read, however late it is kept."""
    one = kept(store, tmp_path / "tree", settled=True)
    answer_path(one.cache, one.root, one.root, "s").unlink()
    for name in ("files/a/x", "strata/one.morph", LOCK_NAME):
        session = open_session(one.root, one.settings, ignore, {})
        request = request_for(session, session.definitions.locate("s", kind="system", cwd=one.root))
        before = (one.root / name).read_text()
        (one.root / name).write_text(before.replace("one", "eno").replace("1", "3"))
        keep_answer(session, request, one.root, "s", now=time.time_ns())
        session.facts.close()
        assert one.answer() is None
        (one.root / name).write_text(before)


def test_what_was_mounted_is_known_once_something_changed(store: Store, tmp_path: Path) -> None:
    """The next build looks at these layers first; a build that composes nothing knows no others."""
    one = kept(store, tmp_path / "tree", settled=True)
    for mounted in (("a", "b"), ()):
        session = open_session(one.root, one.settings, ignore, {})
        request = request_for(session, session.definitions.locate("s", kind="system", cwd=one.root))
        keep_answer(session, request, one.root, "s", now=time.time_ns() + LATER, mounted=mounted)
        session.facts.close()
    assert one.known() == Standing(one.text)
    edit(one.root, "strata/one.morph")
    assert one.known() == Standing(None, ("a", "b"))
    assert one.known(trove_host="elsewhere") == Standing()  # whatever is another program's is not relied upon


def test_of_some_chunks_only_what_was_mounted_is_known(store: Store, tmp_path: Path) -> None:
    one = kept(store, tmp_path / "tree", settled=True)
    session = open_session(one.root, one.settings, ignore, {})
    keep_mounted(session, one.root, ["s", "one"], ["a", "b"])
    session.facts.close()
    asked = standing_answer(one.cache, one.root, one.root, question(["s", "one"]), one.settings)
    assert asked == Standing(None, ("a", "b"))
    assert standing_answer(one.cache, one.root, one.root, question(["s", "two"]), one.settings) == Standing()
    assert one.known() == Standing(one.text)


def test_classic_formats_are_always_asked(store: Store, tmp_path: Path) -> None:
    one = kept(store, tmp_path / "tree", settled=True)
    session = open_session(one.root, one.settings, ignore, {})
    request = one.asked()
    older = replace(request.resolved, graph=replace(request.resolved.graph, format=8))
    answer_path(one.cache, one.root, one.root, "s").unlink()
    keep_answer(session, replace(request, resolved=older), one.root, "s", now=time.time_ns() + LATER)
    session.facts.close()
    assert not answer_path(one.cache, one.root, one.root, "s").exists()
