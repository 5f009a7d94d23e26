"""The cache folder: layout, locks, and the pattern of publishing."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithify.cache import failure_within, hold_lock, open_cache, publish, remove_tree
from lithify.errors import Interrupted, NoSpace
from lithify.facts import Facts


def test_the_cache_is_ours_alone_whatever_its_parent_passes_on(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o2777)
    old = os.umask(0)
    try:
        cache = open_cache(tmp_path / "cache")
    finally:
        os.umask(old)
    for folder in (cache.root, cache.layers, cache.staging):
        assert folder.stat().st_mode & 0o7777 == 0o700


def test_a_cache_below_a_file_is_an_error_of_the_host(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Exception, match="file"):
        open_cache(tmp_path / "file" / "cache")


def test_a_file_system_that_cannot_do_what_is_needed_is_refused_by_name(tmp_path: Path) -> None:
    """A ramfs keeps no user.* attributes; an ordinary user may mount one in a namespace of their own."""
    program = (
        "import sys; from pathlib import Path; from lithify.cache import open_cache; from lithify.errors import HostError\n"
        "try: open_cache(Path(sys.argv[1]) / 'cache')\n"
        "except HostError as error: print(error.message, '|', *error.hints)\n"
    )
    inside = 'mount -t ramfs none "$1" && exec "$2" -c "$3" "$1"'
    result = subprocess.run(
        [
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            inside,
            "sh",
            str(tmp_path),
            sys.executable,
            program,
        ],
        capture_output=True,
        text=True,
    )
    assert "has no extended attributes (user.*)" in result.stdout, result.stderr
    assert "--cachedir" in result.stdout


def test_publishing_makes_once_and_whole(tmp_path: Path) -> None:
    made = []

    def make(path: Path) -> None:
        made.append(path)
        path.mkdir()
        (path / "content").write_text("x")

    for _ in range(2):
        publish(tmp_path / "thing", make, locks=tmp_path)
    assert len(made) == 1
    assert (tmp_path / "thing" / "content").read_text() == "x"


def test_what_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.mkdir()
        (path / "half").write_text("x")
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        publish(tmp_path / "folder" / "thing", fail, locks=tmp_path)
    assert list((tmp_path / "folder").iterdir()) == []


def test_a_full_disk_is_told_with_figures_and_help(tmp_path: Path) -> None:
    def fill(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with pytest.raises(NoSpace, match="MiB free") as caught:
        publish(tmp_path / "thing", fill, locks=tmp_path)
    assert "lithify gc" in caught.value.hints[0]


def test_what_fails_in_the_cache_is_told_with_what_helps(tmp_path: Path) -> None:
    def found(code: int, *names: str) -> str:
        error = failure_within(OSError(code, os.strerror(code), *names), tmp_path)
        return "" if error is None else f"{type(error).__name__}: {error.message}"

    lock = str(tmp_path / "locks/publish")
    assert found(errno.ENOSPC, lock).startswith(f"NoSpace: no space left in {tmp_path}: ")
    assert "a disk quota is used up" in found(errno.EDQUOT, lock)
    assert found(errno.EACCES, lock) == f"HostError: {lock}: Permission denied"
    assert found(errno.EIO, lock) == ""
    for code in (errno.ENOSPC, errno.EACCES):
        assert found(code, "/elsewhere/file") == ""
        assert found(code) == "", "the disk of the cache is not full, so it was another one"


def test_two_processes_make_a_thing_once(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from lithify.cache import publish\n"
        "def make(p):\n"
        "    Path(sys.argv[1], 'log').open('a').write('made\\n'); p.write_text('x')\n"
        "publish(Path(sys.argv[1]) / 'thing', make, locks=Path(sys.argv[1]))\n"
    )
    racers = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) for _ in range(6)]
    assert [racer.wait() for racer in racers] == [0] * 6
    assert (tmp_path / "log").read_text() == "made\n"


def test_who_waits_learns_of_the_holder(tmp_path: Path) -> None:
    told: list[str] = []
    waiting = threading.Event()

    def note(holder: str) -> None:
        told.append(holder)
        waiting.set()

    def second() -> None:
        with hold_lock(tmp_path / "lock", on_wait=note):
            told.append("has it")

    with hold_lock(tmp_path / "lock"):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(10)
        assert told == [f"process {os.getpid()}"]
    thread.join()
    assert told[-1] == "has it"


def test_who_waits_for_a_lock_can_give_up(tmp_path: Path) -> None:
    asked: list[str] = []
    with (
        hold_lock(tmp_path / "lock"),
        pytest.raises(Interrupted),
        hold_lock(tmp_path / "lock", on_wait=asked.append, gives_up=lambda: bool(asked)),
    ):
        pytest.fail("it is held")
    with hold_lock(tmp_path / "lock", gives_up=lambda: True):
        assert len(asked) == 1


def test_a_read_only_tree_goes_too(tmp_path: Path) -> None:
    deep = tmp_path / "tree" / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "file").write_text("x")
    os.chmod(deep, 0o500)
    remove_tree(tmp_path / "tree")
    assert not (tmp_path / "tree").exists()
    remove_tree(tmp_path / "tree")


def test_a_damaged_facts_file_is_begun_anew(tmp_path: Path) -> None:
    facts = Facts(tmp_path / "facts.sqlite")
    facts.put("tree", "a", "1")
    assert facts.get("tree", "a") == "1"
    facts.close()
    (tmp_path / "facts.sqlite").write_bytes(b"no database at all" * 100)
    assert facts.get("tree", "a") is None
    facts.put("tree", "a", "2")
    assert facts.get("tree", "a") == "2"
    facts.close()


@given(
    kept=st.dictionaries(st.text("abc", max_size=3), st.text(max_size=3)),
    asked=st.lists(st.text("abc", max_size=3)),
)
def test_several_facts_are_each_of_them(kept: dict[str, str], asked: list[str]) -> None:
    with TemporaryDirectory() as folder, closing(Facts(Path(folder) / "facts.sqlite")) as facts:
        for key, value in kept.items():
            facts.put("kind", key, value)
        facts.put("other kind", "a", "another")
        found = facts.get_several("kind", asked)
        assert found == {key: kept[key] for key in asked if key in kept}
        assert [facts.get("kind", key) for key in asked] == [found.get(key) for key in asked]


def test_more_facts_than_one_query_takes(tmp_path: Path) -> None:
    with closing(Facts(tmp_path / "facts.sqlite")) as facts:
        facts.put("kind", "1700", "there")
        assert facts.get_several("kind", [str(number) for number in range(2000)]) == {"1700": "there"}


def test_facts_that_are_gathered_are_known_at_once_and_written_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "facts.sqlite"
    with closing(Facts(path)) as facts, closing(Facts(path)) as others:
        facts.put("a", "before", "1")
        with facts.gathering():
            facts.put("a", "key", "2")
            facts.put("a", "before", "3")
            assert facts.get_several("a", ["key", "before", "none"]) == {"key": "2", "before": "3"}
            assert others.get_several("a", ["key", "before"]) == {"before": "1"}
        assert others.get_several("a", ["key", "before"]) == {"key": "2", "before": "3"}


def test_facts_are_gathered_for_a_second_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "facts.sqlite"
    with closing(Facts(path)) as facts, closing(Facts(path)) as others, facts.gathering():
        now = [100.0]
        monkeypatch.setattr("lithify.facts.time.monotonic", lambda: now[0])
        facts.put("a", "one", "1")
        now[0] += 0.9
        facts.put("a", "two", "2")
        assert others.get_several("a", ["one", "two"]) == {}
        now[0] += 0.2
        facts.put("a", "three", "3")
        assert set(others.get_several("a", ["one", "two", "three"])) == {"one", "two", "three"}


def test_facts_that_were_gathered_are_written_where_the_block_raises_too(tmp_path: Path) -> None:
    with closing(Facts(tmp_path / "facts.sqlite")) as facts:
        with pytest.raises(RuntimeError), facts.gathering():
            facts.put("a", "key", "1")
            raise RuntimeError
        with closing(Facts(tmp_path / "facts.sqlite")) as others:
            assert others.get("a", "key") == "1"


@pytest.mark.parametrize("made", ["file", "link", "nothing", "empty", "deep", "mixed"])
def test_whatever_lies_there_goes(made: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    place = tmp_path / "place"
    if made == "file":
        place.touch()
    elif made == "link":
        place.symlink_to(outside)
    elif made == "empty":
        place.mkdir()
    elif made == "deep":
        place.joinpath(*["d"] * 600).mkdir(parents=True)
    elif made == "mixed":
        (place / "a/b/c").mkdir(parents=True)
        (place / "a/file").touch()
        (place / "a/link").symlink_to(outside)
        (place / "dangling").symlink_to("nowhere")
        os.mkfifo(place / "a/b/fifo")
    remove_tree(place)
    assert not os.path.lexists(place)
    assert os.listdir(outside) == ["kept"]
