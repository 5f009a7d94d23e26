"""What growth is measured on, and what is read out of a build's trace."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks.figures import shown_seconds
from benchmarks.growth import GROWTHS, PROJECTS, Growth, staging_seconds
from benchmarks.made import MadeFile, import_stream, made_tree, write_folder, write_repository
from lithify.report.timings import Span, chrome_trace
from lithify.sources.tree import plain_digest


def _span(phase: str, name: str, began: float, ended: float, thread: str = "build_0") -> Span:
    return Span(thread=thread, began=began, ended=ended, phase=phase, name=name)


def test_staging_lasts_from_a_chunk_s_turn_to_its_first_command() -> None:
    spans = [
        _span("start", "", 0.0, 1.0, "MainThread"),
        _span("unpack", "a", 2.1, 2.2),
        _span("stage", "a", 2.2, 2.5),
        _span("run", "a", 2.5, 3.0),
        _span("run", "a", 3.1, 3.9),
        _span("rest", "a", 2.0, 4.0),
        _span("run", "b", 2.75, 2.8, "build_1"),
        _span("rest", "b", 2.5, 3.0, "build_1"),
    ]
    trace = chrome_trace(spans, process="lithify")
    assert staging_seconds(trace) == pytest.approx({"a": 0.5, "b": 0.25})


def test_what_runs_no_command_is_not_staged() -> None:
    spans = [_span("rest", "cached", 1.0, 1.1), _span("integrate", "system", 2.0, 3.0)]
    assert staging_seconds(chrome_trace(spans, process="lithify")) == {}


@pytest.mark.parametrize("growth", GROWTHS, ids=lambda growth: growth.name)
def test_each_series_is_measured_on_one_project(growth: Growth) -> None:
    measured = [name for kind in PROJECTS for name in kind.series]
    assert len(measured) == len(set(measured))
    assert set(growth.bounds) <= set(growth.series) <= set(measured)


@pytest.mark.parametrize("files", [1, 2, 51, 52, 130])
def test_a_made_tree_has_as_many_files_as_were_asked_for_all_different(files: int) -> None:
    made = list(made_tree("one", files))
    assert len(made) == len({one.path for one in made}) == len({one.content for one in made}) == files
    assert not {one.content for one in made} & {one.content for one in made_tree("two", files)}


def test_a_tree_is_the_same_as_a_folder_and_as_a_commit(tmp_path: Path) -> None:
    tree = [
        *made_tree("one", 60),
        MadeFile(path="bin/program", content=b"\0binary\n\n", kind="program"),
        MadeFile(path="bin/sh", content=b"program", kind="link"),
        MadeFile(path="empty", content=b""),
    ]
    folder, repository, out = tmp_path / "folder", tmp_path / "repositories/one", tmp_path / "out"
    write_folder(tree, folder)
    commit = write_repository(tree, repository)
    subprocess.run(["git", "clone", "-q", repository, out], check=True)
    head = subprocess.run(["git", "-C", out, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    assert head.stdout.strip() == commit
    assert plain_digest(out) == plain_digest(folder)
    assert len(list(repository.glob("objects/pack/*.pack"))) == 1
    assert not list(repository.glob("objects/??/*")), "nothing outside the pack"


def test_the_same_tree_gives_the_same_commit(tmp_path: Path) -> None:
    first, second = (write_repository(made_tree("one", 3), tmp_path / name) for name in ("a", "b"))
    assert first == second
    assert len(first) == 40


def test_content_is_counted_in_bytes_and_never_read_as_commands() -> None:
    stream = b"".join(import_stream([MadeFile(path="a", content="é\ndone\n".encode())]))
    assert b"M 100644 inline a\ndata 8\n\xc3\xa9\ndone\n\nget-mark :1\n" in stream


@pytest.mark.parametrize(
    ("seconds", "text"), [(12.3456, "12.346"), (0.0123, "0.012"), (0.01, "0.010"), (0.00345, "0.0034")]
)
def test_few_milliseconds_are_shown_finer(seconds: float, text: str) -> None:
    assert shown_seconds(seconds) == text
