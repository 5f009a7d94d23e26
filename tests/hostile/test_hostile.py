"""At least 200 hostile inputs, each with a clear outcome; a process of their own plays them, without any thread."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import asdict

from tests import stuck
from tests.conftest import PROJECT
from tests.hostile.__main__ import PARTS, cases_of
from tests.hostile.bench import SECONDS, WALL_SECONDS, Case, Scene, judge, tell, wall_seconds

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("part", PARTS)
def test_every_hostile_input_has_a_clear_outcome(part: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("makes devices, and files of other users")
    done = stuck.run(
        [sys.executable, "-m", "tests.hostile", "--json", part],
        cwd=PROJECT,
        env={**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    assert done.stdout, done.stderr
    verdicts = json.loads(done.stdout)[part]
    assert {name: verdict["wrong"] for name, verdict in verdicts.items() if verdict["wrong"]} == {}
    assert verdicts.keys() == cases_of(part).keys()
    print(f"{part}: {len(verdicts)} hostile inputs")


def test_there_are_enough_of_them() -> None:
    counts = {part: len(cases_of(part)) for part in PARTS}
    print(f"{sum(counts.values())} hostile inputs: {counts}")
    assert sum(counts.values()) >= 200


def test_a_case_that_may_take_more_processor_time_may_take_as_much_longer() -> None:
    assert wall_seconds(Case(_does_nothing, seconds=4)) == WALL_SECONDS
    assert wall_seconds(Case(_does_nothing, seconds=SECONDS * 60)) == WALL_SECONDS * 60


def _touches(scene: Scene) -> None:
    (scene.outside / "secret").write_text("known")


def _ends_without_a_word(scene: Scene) -> None:
    os._exit(1)


def _is_hungry(scene: Scene) -> None:
    bytearray(b"x" * (600 << 20))


def _raises(scene: Scene) -> None:
    raise KeyError("evil")


def _does_nothing(scene: Scene) -> None:
    pass


ACTS = (_touches, _ends_without_a_word, _is_hungry, _raises, _does_nothing)


@pytest.mark.parametrize(
    ("act", "wrong"),
    list(zip(ACTS, ("touched what is outside", "ended without a word", "MB", "KeyError", ""), strict=True)),
    ids=[act.__name__ for act in ACTS],
)
def test_the_judge_is_not_deceived(act: Callable[[Scene], object], wrong: str, tmp_path: Path) -> None:
    """In a process of its own: one that is forked here counts our memory as its own."""
    done = stuck.run(
        [sys.executable, "-m", "tests.hostile.test_hostile", act.__name__, str(tmp_path)],
        cwd=PROJECT,
        env=os.environ,
    )
    verdict = json.loads(done.stdout)
    assert wrong in verdict["wrong"]
    assert bool(verdict["wrong"]) == bool(wrong)


if __name__ == "__main__":
    (named,) = (act for act in ACTS if act.__name__ == sys.argv[1])
    tell(json.dumps(asdict(judge(Case(named), Path(sys.argv[2])))))
