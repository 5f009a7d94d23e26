"""The performance page takes each part from the newest results that have it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.figures import RESULTS
from benchmarks.growth import ABOVE, STAGED
from docs.generator.performance import newest, performance_page, performance_picture


def test_results_without_a_part_do_not_hide_older_ones_that_have_it(tmp_path: Path) -> None:
    old = {"date": "2026-01-01", "figures": [{"name": "a"}], "rows": [1]}
    new = {"date": "2026-01-02", "figures": [], "rows": [2]}
    (tmp_path / "old.json").write_text(json.dumps(old))
    (tmp_path / "new.json").write_text(json.dumps(new))
    assert newest(tmp_path, "figures") == old
    assert newest(tmp_path, "rows") == new
    assert newest(tmp_path, "growth") is None


def _growth(*names: str) -> dict[str, object]:
    seconds = [[0.0034, 0.0036, 0.0038], [0.0123, 0.0125, 0.5]]
    series = [{"name": name, "bound": 0.1, "exponent": 0.02, "seconds": seconds} for name in names]
    machine = {
        "processors": 2,
        "processor": "any",
        "memory-GiB": 8,
        "kernel": "6",
        "python": "3",
        "load": [1],
    }
    return {
        "date": "2026-01-01",
        "lithify": "1",
        "machine": machine,
        "load-after": [1],
        "growth": [{"name": "files", "sizes": [100, 1000], "series": series}],
    }


def test_staging_is_explained_and_has_milliseconds(tmp_path: Path) -> None:
    (tmp_path / "new.json").write_text(json.dumps(_growth(ABOVE, STAGED)))
    page = performance_page(tmp_path)
    assert f"| {STAGED} | 0.0036 | 0.013 | 0.02 | ≤ 0.1 |" in page
    assert "until its first command starts" in page


def test_results_from_before_staging_was_measured_are_still_read(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text(json.dumps(_growth(ABOVE)))
    page = performance_page(tmp_path)
    assert f"| {ABOVE} |" in page
    assert "until its first command starts" not in page


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_all_results_that_were_kept_are_read(path: Path, tmp_path: Path) -> None:
    (tmp_path / path.name).write_bytes(path.read_bytes())
    assert performance_page(tmp_path).count("| ") > 5
    assert performance_picture(tmp_path).startswith("<svg")
