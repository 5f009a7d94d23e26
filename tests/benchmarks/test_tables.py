"""What is printed and drawn of results, and how the workload is dealt."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.contenders import CONTENDERS, Contender
from benchmarks.growth import growth_lines
from benchmarks.plot import along, decades, growth_svg
from benchmarks.rows import ROWS, Row, compare, table
from benchmarks.workload import dealt

RESULT = {
    "title": "a build with nothing to do",
    "goal": 0.2,
    "goal-ratios": {"buildstream": 20.0},
    "seconds": {"lithify": [0.1, 0.2, 0.3], "buildstream": [2.0, 5.0, 6.0]},
    "refused": {"nix": "it composes nothing"},
}
GROWTH = {
    "name": "chunks",
    "sizes": [10, 100],
    "series": [{"name": "from <nothing>", "bound": 1.15, "exponent": 1.0, "seconds": [[0.5, 0.7], [6.0]]}],
}


def test_a_row_has_medians_ends_ratios_goals_and_refusals() -> None:
    assert table([RESULT], ["lithify", "buildstream", "nix"]) == [
        "a build with nothing to do (goal 0.2 s)",
        "  lithify         0.200 s (0.100 to 0.300)",
        "  buildstream     5.000 s (2.000 to 6.000)   20.0 times lithify's (20.0 to 25.0, goal 20)",
        "  nix          cannot: it composes nothing",
    ]


def test_growth_has_a_column_a_size_and_the_exponent() -> None:
    assert " ".join(growth_lines([GROWTH])[1].split()) == "from <nothing> 0.600 6.000 1.00 (goal 1.15)"


def test_the_picture_is_xml_and_has_every_point() -> None:
    root = ElementTree.fromstring(growth_svg([GROWTH, GROWTH]))
    assert len(root.findall(".//{*}circle")) == 2 * (2 + 1), "points, and one for the name"
    assert "from <nothing>: exponent 1.00" in {
        text.text for text in root.iter("{http://www.w3.org/2000/svg}text")
    }


@settings(deadline=None)
@given(st.lists(st.floats(min_value=1e-4, max_value=1e7), min_size=1))
def test_every_number_lies_on_the_axis(numbers: list[float]) -> None:
    ends = decades(numbers)
    assert all(-1e-9 <= along(number, ends) <= 1 + 1e-9 for number in numbers)


@settings(deadline=None)
@given(st.integers(min_value=1, max_value=50), st.integers(min_value=0, max_value=300))
def test_all_packages_are_dealt_once_in_order_and_evenly(groups: int, count: int) -> None:
    archives = [Path(str(number)) for number in range(count)]
    found = dealt(archives, groups)
    assert [one for group in found for one in group] == archives
    assert len(found) == groups
    assert max(map(len, found)) - min(map(len, found)) <= 1


class Counting(Contender):
    """A program that takes as long as it is told, and notes what is asked of it."""

    order: list[tuple[str, str]] = []  # noqa: RUF012 - shared on purpose

    def __init__(self, folder: Path, name: str, refused: dict[str, str]) -> None:
        type(self).name = name  # type: ignore[misc]
        super().__init__(folder)
        self.name = name  # type: ignore[misc]
        self.processor = 0.5
        self.refused = refused  # type: ignore[misc]

    def available(self) -> str:
        return "1"

    def prepare(self) -> None:
        self.order.append((self.name, "prepare"))

    def trivial(self, number: int) -> float:
        self.order.append((self.name, "trivial"))
        return 3.0

    def take(self, number: int) -> float:
        self.order.append((self.name, "take"))
        return 4.0

    def nothing(self, number: int) -> float:
        self.order.append((self.name, "nothing"))
        return 1.0

    def changed(self, number: int) -> float:
        self.order.append((self.name, "changed"))
        return 2.0


def test_programs_take_turns_and_may_refuse(tmp_path: Path) -> None:
    one, two = Counting(tmp_path, "one", {}), Counting(tmp_path, "two", {"changed": "cannot"})
    results = compare([one, two], ROWS[:2], 2, lambda _: None)
    assert Counting.order == [("one", "nothing"), ("two", "nothing")] * 2 + [("one", "changed")] * 2
    assert [result["seconds"] for result in results] == [{"one": [1, 1], "two": [1, 1]}, {"one": [2, 2]}]
    assert [result["refused"] for result in results] == [{}, {"two": "cannot"}]
    assert [result["processor"] for result in results] == [
        {"one": [0.5, 0.5], "two": [0.5, 0.5]},
        {"one": [0.5, 0.5]},
    ]
    assert all(len(result["load"]) == 2 for result in results)


def test_what_makes_files_is_measured_before_others_remove_as_many(tmp_path: Path) -> None:
    Counting.order.clear()
    one = Counting(tmp_path, "one", {"check_out": "cannot"})
    results = compare([one], ROWS, 1, lambda _: None)
    assert [row for _, row in Counting.order] == ["take", "nothing", "changed", "trivial"]
    assert [result["name"] for result in results] == [row.name for row in ROWS]


def test_processor_time_is_that_of_the_last_command(tmp_path: Path) -> None:
    one = Counting(tmp_path, "one", {})
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    assert one.timed([sys.executable, "-c", busy], project=tmp_path) >= 0.3
    assert 0.3 <= one.processor < 3
    one.timed(["true"], project=tmp_path)
    assert one.processor < 0.3


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_is_a_method_of_every_program_or_refused(row: Row) -> None:
    for kind in CONTENDERS:
        assert row.name in kind.refused or callable(getattr(kind, row.name)), kind.name
