"""How a deployment comes to its location: whole or not at all, once, and never over what is somebody else's."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from lithify.build.metadata import Content
from lithify.cache import hold_lock
from lithify.deploy import deployment
from lithify.deploy.deployment import carry_out, check_order, inputs_digest, is_unchanged, note_path
from lithify.deploy.order import Order, Works
from lithify.deploy.registry import TYPES
from lithify.deploy.tar import TarType
from lithify.errors import DeployError, NoSpace
from lithify.events import DeploymentFinished, DeploymentStarted, Event, Waiting, ignore
from lithify.graph.model import ContentDigest
from lithify.store.manifest import Manifest
from lithify.store.reading import Repository
from tests.deploy.trees import digest_of, order_for
from tests.store.trees import File, Node

Make = Callable[..., Content]
SPEC: dict[str, Node] = {"etc/hostname": File(b"small\n")}


def left_in(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "place"
    place.mkdir()
    return place


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_a_second_time_nothing_is_done(
    kind: str, system: Make, works: Works, events: list[Event], place: Path
) -> None:
    values = {"boot_loader": "none"} if kind == "image" else {"owner": "me"} if kind == "directory" else {}
    order = order_for(system(SPEC), place / "out", kind, **values)
    check_order(order)
    assert not is_unchanged(order)
    assert carry_out(order, works) == "made"
    assert left_in(place) == ["out", "out.lithify.json"]
    assert is_unchanged(order)
    assert carry_out(order, works) == "unchanged"
    outcomes = [event.outcome for event in events if isinstance(event, DeploymentFinished)]
    assert outcomes == ["made", "unchanged"]
    assert sum(isinstance(event, DeploymentStarted) for event in events) == 2
    note = json.loads(note_path(place / "out").read_text())
    assert (note["system"], note["type"], note["content"]) == ("small", kind, order.content.digest)
    assert (note["commit"], note["definition-key"]) == (order.commit, order.definition_key)


def test_another_value_content_or_type_is_another_deployment(system: Make, place: Path) -> None:
    order = order_for(system(SPEC), place / "out")
    others = [
        replace(order, values={"size": "90M"}),
        replace(order, values={"size": 90.5}),
        replace(order, values={"kernel-arguments": ("a", "b")}),
        replace(order, type="tar"),
        replace(order, system="other"),
        replace(order, content=replace(order.content, digest="00" * 32)),
    ]
    assert len({inputs_digest(one) for one in (order, *others)}) == 7
    moved = replace(order, location=place / "other", name="other", commit="", definition_key="")
    assert inputs_digest(moved) == inputs_digest(order), "none of these is in what is written"


def test_what_was_changed_by_somebody_is_made_again(system: Make, works: Works, place: Path) -> None:
    order = order_for(system(SPEC), place / "out", "tar")
    carry_out(order, works)
    good = digest_of(place / "out")
    with (place / "out").open("ab") as file:
        file.write(b"more")
    assert not is_unchanged(order)
    assert carry_out(order, works) == "made"
    assert digest_of(place / "out") == good
    note_path(place / "out").write_text("{ no json")
    assert carry_out(order, works) == "made"
    note_path(place / "out").write_text("[]")
    assert carry_out(order, works) == "made"


def test_without_a_note_nothing_is_left_beside_it(system: Make, works: Works, place: Path) -> None:
    carry_out(order_for(system(SPEC), place / "out", "tar"), works, noted=False)
    assert left_in(place) == ["out"]


def test_a_folder_of_somebody_else_is_never_replaced(system: Make, works: Works, place: Path) -> None:
    content = system(SPEC)
    (place / "out").mkdir()
    (place / "out" / "precious").write_text("mine")
    for kind, said in (("directory", "is not empty, and no deployment made it"), ("tar", "is a folder")):
        with pytest.raises(DeployError, match=said):
            carry_out(order_for(content, place / "out", kind), works)
    assert (place / "out" / "precious").read_text() == "mine"
    assert left_in(place) == ["out"]


@pytest.mark.parametrize("kind", ["directory", "tar"])
@pytest.mark.parametrize("by_link", [False, True])
def test_what_is_neither_file_nor_folder_is_never_replaced(
    kind: str, by_link: bool, system: Make, works: Works, place: Path
) -> None:
    """A named pipe stands for what only root can make here: a location ``/dev/sda``, or ``/dev/null``."""
    pipe = place / "out"
    os.mkfifo(pipe)
    named = place / "link" if by_link else pipe
    if by_link:
        named.symlink_to("out")
    before = left_in(place)
    with pytest.raises(DeployError, match="is a device, a named pipe or a socket") as caught:
        carry_out(order_for(system(SPEC), named, kind), works)
    assert str(named) in str(caught.value)
    assert pipe.is_fifo()
    assert left_in(place) == before


def test_a_folder_that_took_the_place_of_ours_is_not_replaced(
    system: Make, works: Works, place: Path
) -> None:
    order = order_for(system(SPEC), place / "out", "directory", owner="me")
    carry_out(order, works)
    (place / "out").rename(place / "elsewhere")
    (place / "out").mkdir()
    (place / "out" / "precious").write_text("mine")
    with pytest.raises(DeployError, match="no deployment made it"):
        carry_out(order, works)
    assert (place / "out" / "precious").read_text() == "mine"


def test_an_empty_folder_and_our_own_are_replaced(system: Make, works: Works, place: Path) -> None:
    content = system(SPEC)
    (place / "out").mkdir()
    order = order_for(content, place / "out", "directory", owner="me")
    assert carry_out(order, works) == "made"
    (place / "out" / "added").write_text("x")
    os.utime(place / "out", (5, 5))
    assert carry_out(order, works) == "made"
    assert left_in(place / "out") == ["etc"]
    assert carry_out(order_for(content, place / "out", "tar"), works) == "made"
    assert (place / "out").is_file()
    assert carry_out(order, works) == "made"


class _Failing(TarType):
    """Writes half a tar, then fails."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def write(self, order: Order, works: Works, target: Path) -> None:
        target.write_bytes(b"half")
        raise self.error


@pytest.mark.parametrize(
    ("error", "raised", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), NoSpace, r"it: no space left in .*/place: \d+ MiB free"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), NoSpace, r"it: no space left in"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), DeployError, "it: cannot write /x: Permission"),
        (OSError(errno.EIO, "Input/output error"), DeployError, "it: cannot write .*/place/out: Input/output"),
        (KeyboardInterrupt(), KeyboardInterrupt, "^$"),
    ],
)  # fmt: skip
def test_a_failed_write_leaves_what_was_there(
    error: BaseException,
    raised: type[BaseException],
    said: str,
    system: Make,
    works: Works,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order = order_for(system(SPEC), place / "out", "tar")
    carry_out(order, works)
    good = digest_of(place / "out")
    monkeypatch.setattr(deployment, "type_named", lambda *_: _Failing(error))
    with pytest.raises(raised, match=said):
        carry_out(replace(order, system="other"), works)
    assert digest_of(place / "out") == good
    assert left_in(place) == ["out", "out.lithify.json"]
    monkeypatch.undo()
    assert is_unchanged(order)


KILLED = """
import os, signal, sys
from pathlib import Path
from lithify.deploy import deployment
from tests.deploy.test_deployment import stored_order
order, works = stored_order(Path(sys.argv[1]), sys.argv[2])
at = getattr(deployment if sys.argv[3] == "remove_tree" else os, sys.argv[3])
calls = []
def killing(*arguments, **more):
    calls.append(arguments)
    if len(calls) == int(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)
    return at(*arguments, **more)
setattr(deployment if sys.argv[3] == "remove_tree" else os, sys.argv[3], killing)
deployment.carry_out(order, works)
"""


def stored_order(folder: Path, digest: str) -> tuple[Order, Works]:
    """Return an order for what the test put into the store, for the process that is killed."""
    repository = Repository(folder / "cache" / "ostree")
    commit = repository.ref("d/system")
    assert commit is not None
    content = Content(tree=repository.commit(commit).tree, manifest=Manifest(), digest=ContentDigest(digest))
    order = order_for(content, folder / "place" / "out", "directory", owner="me", system="second")
    return order, Works(repository=repository, scratch=folder / "scratch", report=ignore)


@pytest.mark.parametrize(
    ("function", "call"), [("remove_tree", 1), ("remove_tree", 2), ("replace", 1), ("replace", 2), ("chown", 1)]
)  # fmt: skip
def test_a_killed_process_is_no_hindrance(
    function: str, call: int, system: Make, works: Works, place: Path, tmp_path: Path
) -> None:
    """At every point where something at the location changes; the next run goes on."""
    content = system(SPEC)
    carry_out(order_for(content, place / "out", "directory", owner="me", system="first"), works)
    child = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), content.digest, function, str(call)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    order = order_for(content, place / "out", "directory", owner="me", system="second")
    assert carry_out(order, works) == "made"
    assert left_in(place) == ["out", "out.lithify.json"]
    assert is_unchanged(order)


def test_two_processes_at_one_location_go_one_after_the_other(
    system: Make, works: Works, events: list[Event], place: Path
) -> None:
    order = order_for(system(SPEC), place / "out", "tar")
    waiting = threading.Event()

    def report(event: Event) -> None:
        events.append(event)
        if isinstance(event, Waiting):
            waiting.set()

    outcomes: list[str] = []
    other = threading.Thread(target=lambda: outcomes.append(carry_out(order, replace(works, report=report))))
    with hold_lock(place / ".out.lock"):
        other.start()
        assert waiting.wait(30)
        assert left_in(place) == [".out.lock"]
    other.join()
    assert outcomes == ["made"]
    (said,) = [event for event in events if isinstance(event, Waiting)]
    assert (said.what, said.holder) == (str(place / "out"), f"process {os.getpid()}")


@pytest.fixture
def odd_file(place: Path) -> Iterator[Path]:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place / "s"))
    yield place / "s"
    listener.close()


def test_places_that_cannot_be_are_refused_first(system: Make, place: Path, odd_file: Path) -> None:
    content = system(SPEC)
    for location, said, hint in (
        (Path("/"), "it: it has no location", ""),
        (place / "..", "it: it has no location", ""),
        (place / "no" / "such", f"it: there is no folder {place}/no", "make it"),
        (odd_file, f"it: {odd_file} is a device, and would be replaced", "dd if=FILE of=DEVICE"),
    ):
        with pytest.raises(DeployError, match=re.escape(said)) as refused:
            check_order(order_for(content, location, "tar"))
        assert hint in "".join(refused.value.hints)


def test_an_unknown_type_names_the_nearest(system: Make, place: Path) -> None:
    content = system(SPEC)
    for kind, said, hint in (
        ("imag", "unknown deployment type imag", 'did you mean "image"?'),
        ("rawdisk", "the deployment type rawdisk is not there yet", "known types: directory, image, tar"),
        ("", "unknown deployment type .none.", "known types: directory, image, tar"),
    ):
        with pytest.raises(DeployError, match=f"it: {said}") as refused:
            check_order(order_for(content, place / "out", kind))
        assert refused.value.hints == (hint,)


def test_a_type_without_values_says_so(system: Make, place: Path) -> None:
    with pytest.raises(DeployError, match="it: tar has no value size") as refused:
        check_order(order_for(system(SPEC), place / "out", "tar", size="5M"))
    assert refused.value.hints == ("tar knows: none",)


def test_every_type_explains_its_values() -> None:
    assert all(text and text == text.strip() for kind in TYPES.values() for text in kind.fields.values())
