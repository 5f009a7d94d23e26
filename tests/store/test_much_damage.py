"""Damage by the hundred: 300 objects and 500 layers, each harmed at a random place, none of it overlooked."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from lithify.cache import CacheFolder
from lithify.events import Event, Warned
from lithify.store.damage import DamagedObject
from lithify.store.reach import reach
from lithify.store.reading import Repository
from lithify.store.verifying import verify
from lithify.store.writing import Store
from tests.store.test_layers import layer_of, taken
from tests.store.trees import Dir, File, Spec, Symlink, read_folder

pytestmark = pytest.mark.slow

SEED = 6
_Named = tuple[str, str]


def many_files(random: Random, name: str) -> Spec:
    """Return a tree with files of many sizes in folders, and links."""
    spec: Spec = {}
    for number in range(6):
        spec[f"{name}{number}"] = Dir(0o755)
        spec[f"{name}{number}/link"] = Symlink(f"../{name}/{number}")
        for file in range(5):
            content = random.randbytes(random.randrange(1, 9000))
            spec[f"{name}{number}/file{file}"] = File(content, random.choice((0o644, 0o755, 0o4755)))
    return spec


def flip(places: list[Path], random: Random) -> Callable[[], None]:
    """Flip a bit of one object; return what puts it back."""
    (place,) = places
    content = place.read_bytes()
    at = random.randrange(len(content))
    place.write_bytes(content[:at] + bytes([content[at] ^ 1 << random.randrange(8)]) + content[at + 1 :])
    return lambda: void(place.write_bytes(content))


def cut(places: list[Path], random: Random) -> Callable[[], None]:
    """Cut one object off somewhere."""
    (place,) = places
    content = place.read_bytes()
    place.write_bytes(content[: random.randrange(len(content))])
    return lambda: void(place.write_bytes(content))


def delete(places: list[Path], random: Random) -> Callable[[], None]:
    """Take one object away."""
    (place,) = places
    aside = place.with_name("aside")
    place.rename(aside)
    return lambda: void(aside.rename(place))


def swap(places: list[Path], random: Random) -> Callable[[], None]:
    """Let two objects of one kind change their names."""

    def exchange() -> None:
        one, other = places
        aside = one.with_name("aside")
        one.rename(aside)
        other.rename(one)
        aside.rename(other)

    exchange()
    return exchange


def void(_: object) -> None:
    """Return nothing."""


def name_of(place: Path) -> _Named:
    return place.suffix[1:], place.parent.name + place.stem


def test_every_damaged_object_is_named_and_no_other(store: Store, cache: CacheFolder, tmp_path: Path) -> None:
    random = Random(SEED)
    for name in ("a", "b", "c"):
        taken(store, tmp_path / name, many_files(random, name))
    repository = Repository(cache.ostree)
    reached = reach(repository, sorted(repository.refs().values()))
    kinds = {
        "commit": reached.commits,
        "dirtree": reached.dirtrees,
        "dirmeta": reached.dirmetas,
        "file": reached.files,
    }
    places = {
        kind: [cache.ostree / "objects" / one[:2] / f"{one[2:]}.{kind}" for one in sorted(names)]
        for kind, names in kinds.items()
    }
    done: Counter[str] = Counter()
    for number in range(300):
        kind = random.choice([*kinds, "file", "dirtree"])
        harm = random.choice((flip, flip, flip, cut, delete, swap))
        there = [place for place in places[kind] if harm in (delete, swap) or not place.is_symlink()]
        if len(there) < 2:
            harm = flip
        chosen = random.sample(there, 2 if harm is swap else 1)
        undo = harm(chosen, random)
        found = {(error.kind, error.checksum) for error in verify(Repository(cache.ostree)).damaged}
        undo()
        assert found == {name_of(place) for place in chosen}, (number, harm.__name__, kind)
        done[f"{harm.__name__} {kind}"] += 1
    assert verify(Repository(cache.ostree)).damaged == ()
    print(dict(sorted(done.items())))


def as_if_settled(place: Path) -> None:
    """Have the index say that the layer was looked at long after it was made, so that a short look is enough."""
    index = json.loads((place / "index").read_text())
    newest = max(index["changed"].values())
    probe = place / "probe"
    probe.touch()
    while probe.stat().st_ctime_ns <= newest:
        probe.touch()
    probe.unlink()
    (place / "index").write_text(json.dumps({**index, "settled": True}))


def change(file: Path, random: Random) -> None:
    """Write into a file, which is an object of the store."""
    with open(file, "r+b") as opened:
        opened.write(bytes([file.read_bytes()[0] ^ 1]))


def remove(file: Path, random: Random) -> None:
    file.unlink()


def add(file: Path, random: Random) -> None:
    (file.parent / f"new{random.random()}").write_bytes(b"")


def replace(file: Path, random: Random) -> None:
    """Put another file of the same size in a file's place."""
    size = file.stat().st_size
    file.unlink()
    file.write_bytes(random.randbytes(size))


def chmod(file: Path, random: Random) -> None:
    file.chmod(0o600)


@pytest.mark.parametrize("harm", [change, remove, add, replace, chmod], ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("settled", [False, True], ids=["whole look", "short look"])
def test_every_changed_layer_is_noticed_before_it_is_used(
    cache: CacheFolder, tmp_path: Path, harm: Callable[[Path, Random], None], settled: bool
) -> None:
    """50 times in each way: it is made again with a warning, or the object that it shares with the store is named."""
    random = Random(SEED)
    store = Store(cache, sync=False, min_free=1 << 20)
    spec = many_files(random, "a")
    tree = taken(store, tmp_path / "a", spec)
    store.close()
    for number in range(50):
        before = Store(cache, sync=False, min_free=1 << 20)
        path = layer_of(before, tree).path
        before.close()
        if settled:
            as_if_settled(path.parent)
        file = random.choice(sorted(path.rglob("file*")))
        content, mode = file.read_bytes(), file.stat().st_mode
        held = os.open(file, os.O_RDWR | os.O_CLOEXEC)  # the object, wherever its layer is put
        harm(file, random)
        events: list[Event] = []
        after = Store(cache, sync=False, min_free=1 << 20, report=events.append)
        try:
            again = layer_of(after, tree)
        except DamagedObject:
            assert harm in (change, chmod), number
            os.pwrite(held, content, 0)
            os.fchmod(held, mode & 0o7777)
            os.utime(held, ns=(0, 0))
        else:
            assert [type(event) for event in events] == [Warned], number
            assert read_folder(again.path) == {"": Dir(), **spec}
        os.close(held)
        after.close()
