"""Values of changes, as people and programs get them."""

from __future__ import annotations

import json

from lithify.graph.difference import Change
from lithify.graph.model import DeviceNode, Integration
from lithify.graph.resolve import resolve
from lithify.report.differences import SystemDifference, as_data, plain_value, text_lines
from tests.graph.trees import COMMIT, stratum, tree


def lines_of(*changes: Change) -> list[str]:
    graph = resolve(
        tree(
            {
                "one.morph": {
                    "name": "one",
                    "kind": "system",
                    "arch": "x86_64",
                    "strata": [{"morph": "strata/base.morph"}],
                },
                "strata/base.morph": stratum(
                    "base", [{"name": "libc", "repo": "a:libc", "ref": COMMIT, "build-system": "manual"}]
                ),
            }
        ),
        "one.morph",
    )
    system = SystemDifference(file="one.morph", old=graph, new=graph, changes=changes)
    json.dumps(as_data(system))
    return list(text_lines([system, system], lambda change: (str(change.old), str(change.new))))


def test_lists_are_shown_by_what_went_and_came() -> None:
    change = Change(
        kind="chunk",
        name="a",
        what="build-commands",
        old=("one", "two\nlines", "three"),
        new=("one", b"\xff", "three"),
    )
    assert lines_of(change) == ["a build-commands changed", "  - two", "  - lines", "  + \\xff"]


def test_maps_and_parts_of_the_model_are_shown() -> None:
    device = DeviceNode(filename="dev/null", type="c", mode=0o666, major=1, minor=3, uid=0, gid=0)
    integration = Integration(artifact="a-misc", prefix="00", commands=("one", b"two"))
    assert lines_of(
        Change(
            kind="chunk", name="a", what="environment", old={"A": "1", "B": "2"}, new={"A": "1", "B": "3"}
        ),
        Change(kind="chunk", name="a", what="devices", old=(), new=(device,)),
        Change(kind="chunk", name="a", what="system-integration", old=(), new=(integration,)),
    ) == [
        "a environment changed",
        "  - B: 2",
        "  + B: 3",
        "a devices changed",
        '  + {"filename": "dev/null", "type": "c", "mode": 438, "major": 1, "minor": 3, "uid": 0, "gid": 0}',
        "a system-integration changed",
        '  + {"artifact": "a-misc", "prefix": "00", "commands": ["one", "two"]}',
    ]


def test_single_values_stand_on_one_line() -> None:
    assert lines_of(
        Change(kind="chunk", name="a", what="max-jobs", old=None, new=1),
        Change(kind="chunk", name="a", what="keep-git", old=False, new=True),
        Change(kind="chunk", name="a", what="stratum", old="x", new="y"),
        Change(kind="chunk", name="a", what="ref", old="same", new="same"),
    ) == [
        "a max-jobs changed from nothing to 1",
        "a keep-git changed from false to true",
        "a was moved from stratum x to stratum y",
    ]


def test_what_was_elsewhere_before_is_added_to_a_system() -> None:
    assert lines_of(
        Change(kind="chunk", name="libc", what="added"),
        Change(kind="chunk", name="new", what="added"),
        Change(kind="chunk", name="libc", what="removed"),
    ) == ["libc was added to one", "new was added", "libc was removed from one"]


def test_plain_values_are_json() -> None:
    value = {
        "a": (1, b"x", {"y"}),
        "b": [DeviceNode(filename="f", type="b", mode=0, major=0, minor=0, uid=0, gid=0)],
    }
    assert json.loads(json.dumps(plain_value(value)))["a"] == [1, "x", ["y"]]
