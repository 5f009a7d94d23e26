"""The performance page takes each part from the newest results that have it."""

from __future__ import annotations

import json
from pathlib import Path

from docs.generator.performance import newest


def test_results_without_a_part_do_not_hide_older_ones_that_have_it(tmp_path: Path) -> None:
    old = {"date": "2026-01-01", "figures": [{"name": "a"}], "rows": [1]}
    new = {"date": "2026-01-02", "figures": [], "rows": [2]}
    (tmp_path / "old.json").write_text(json.dumps(old))
    (tmp_path / "new.json").write_text(json.dumps(new))
    assert newest(tmp_path, "figures") == old
    assert newest(tmp_path, "rows") == new
    assert newest(tmp_path, "growth") is None
