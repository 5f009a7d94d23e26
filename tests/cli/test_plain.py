"""Events as plain lines, and as JSON lines."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithify import events as ev
from lithify.cli.jsonlines import JsonLinesReader, event_kinds, events_schema, name_of
from lithify.cli.plain import PlainReader
from tests.program import PROJECT

KEY = "3f9a01c2" * 8
STORY: tuple[ev.Event, ...] = (
    ev.Note(text="staging by overlay"),
    ev.BuildPlanned(target="demo", total=4, cached=1, to_build=3),
    ev.FetchStarted(source="https://example.com/zlib.tar", size=1500),
    ev.FetchProgress(source="https://example.com/zlib.tar", done=700, size=1500),
    ev.FetchFinished(source="https://example.com/zlib.tar", size=1500, seconds=0.1),
    ev.ComponentStarted(name="zlib", kind="chunk", key=KEY),
    ev.StepStarted(name="zlib", step="build", command="make"),
    ev.Waiting(what="app", holder="process 7"),
    ev.ComponentFinished(name="zlib", kind="chunk", key=KEY, outcome="built", seconds=2.5, same_content=True),
    ev.ComponentFinished(name="app", kind="chunk", key=KEY, outcome="waited"),
    ev.ComponentFinished(name="lua", kind="chunk", key=KEY, outcome="reused", seconds=0.2),
    ev.ComponentFailed(
        name="odd", kind="chunk", key=KEY, step="build", reason="exit_code=2", log="/x/odd.log"
    ),
    ev.Warned(text="something is odd"),
    ev.CheckProgress(what="objects", done=1, total=2),
    ev.ComponentFinished(name="demo", kind="system", key=KEY, outcome="built", seconds=1.0),
    ev.DeploymentStarted(name="tar", type="tar", location="/x/demo.tar"),
    ev.DeploymentFinished(name="tar", type="tar", location="/x/demo.tar", outcome="made", seconds=0.5),
    ev.CompilerCacheUsed(name="zlib", hits=9, misses=1),
    ev.WorkspaceTaken(name="zlib", path="/x/zlib", changed=1),
    ev.TimeLeft(seconds=240.0),
    ev.Timed(phase="run", name="zlib", detail="build", seconds=1.0),
)


def told(**options: Any) -> str:
    stream = io.StringIO()
    reader = PlainReader(stream, now=lambda: 5.0, **options)
    for event in STORY:
        reader(event)
    reader.close()
    return stream.getvalue()


def test_a_line_at_the_start_and_end_of_each_chunk() -> None:
    assert told() == (
        "[00:00] demo: 3 of 4 chunks to build, 1 cached\n"
        "[00:00] fetched https://example.com/zlib.tar (1.5 kB)\n"
        "[00:00] [3f9a01c2] zlib: started\n"
        "[00:00] app: waiting for process 7\n"
        "[00:00] [3f9a01c2] zlib: built in 2.5 s, content unchanged\n"
        "[00:00] [3f9a01c2] app: built by another command\n"
        "[00:00] [3f9a01c2] lua: inputs unchanged, an earlier build is taken in 0.2 s\n"
        "[00:00] [3f9a01c2] odd: build failed (exit_code=2)\n"
        "[00:00] warning: something is odd\n"
        "[00:00] [3f9a01c2] demo: composed in 1.0 s\n"
        "[00:00] tar: tar /x/demo.tar: started\n"
        "[00:00] tar: tar /x/demo.tar: made in 0.5 s\n"
        "[00:00] zlib: from its workspace, 1 file changed since the last build\n"
    )


def test_verbose_tells_the_steps_and_quiet_failures_alone() -> None:
    verbose = told(verbose=True)
    assert "[00:00] zlib: build\n" in verbose
    assert "[00:00] staging by overlay\n" in verbose
    assert told(quiet=True) == "[00:00] [3f9a01c2] odd: build failed (exit_code=2)\n"


def test_a_heartbeat_says_what_runs() -> None:
    stream, now = io.StringIO(), [0.0]
    reader = PlainReader(stream, now=lambda: now[0])
    reader.beat()
    assert stream.getvalue() == ""
    reader(ev.BuildPlanned(target="demo", total=2, cached=1, to_build=1))
    reader(ev.ComponentStarted(name="busybox", kind="chunk", key=KEY))
    reader(ev.StepStarted(name="busybox", step="build"))
    reader(ev.TimeLeft(seconds=361.0))
    now[0] = 61.0
    reader.beat()
    reader.close()
    last = stream.getvalue().splitlines()[-1]
    assert (
        last
        == "[01:01] still running: busybox: build (01:01); 1 of 2 chunks done, 1 cached, 1 running, about 5 min left"
    )


def test_a_heartbeat_says_how_far_a_check_is() -> None:
    stream, now = io.StringIO(), [0.0]
    reader = PlainReader(stream, now=lambda: now[0])
    reader(ev.CheckProgress(what="objects", done=30, total=40))
    now[0] = 61.0
    reader.beat()
    reader(ev.CheckProgress(what="objects", done=40, total=40))
    reader.beat()
    reader.close()
    assert stream.getvalue() == "[01:01] still running: objects: 75 % of 40 checked\n"


def recorded(*found: ev.Event) -> list[dict[str, Any]]:
    stream = io.StringIO()
    reader = JsonLinesReader(stream, now=lambda: 1_700_000_000.1234)
    for event in found:
        reader(event)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_each_event_is_a_line_of_json_with_chunk_and_key() -> None:
    records = recorded(*STORY)
    assert len(records) == len(STORY)
    step = next(record for record in records if record["event"] == "step-started")
    assert step == {
        "event": "step-started",
        "time": 1_700_000_000.123,
        "chunk": "zlib",
        "step": "build",
        "command": "make",
        "key": KEY,
    }
    assert [record["system"] for record in records if "system" in record] == ["demo"]


@pytest.mark.parametrize("event", STORY, ids=lambda event: name_of(type(event)))
def test_each_line_is_as_the_schema_says(event: ev.Event) -> None:
    jsonschema.validate(recorded(event)[0], events_schema())


def test_every_kind_of_event_is_in_the_story_and_the_schema() -> None:
    kinds = {name_of(kind) for kind in event_kinds()}
    assert {name_of(type(event)) for event in STORY} == kinds
    assert {one["properties"]["event"]["const"] for one in events_schema()["oneOf"]} == kinds


def test_the_published_schema_is_the_one_in_force() -> None:
    published = PROJECT / "docs" / "reference" / "events.schema.json"
    assert json.loads(published.read_text()) == events_schema(), "python -m lithify.cli.jsonlines >" + str(
        published
    )


@given(st.text(), st.text())
def test_any_text_stays_on_its_line(name: str, text: str) -> None:
    found = (
        ev.Warned(text=text),
        ev.ComponentFailed(name=name, kind="chunk", key=KEY, step=text, reason=name),
    )
    assert len(recorded(*found)) == 2
    stream = io.StringIO()
    reader = PlainReader(stream, now=lambda: 0.0)
    for event in found:
        reader(event)
    assert len(stream.getvalue().splitlines()) == 2


def test_a_file_takes_the_events(tmp_path: Path) -> None:
    with open(tmp_path / "events", "w") as stream:
        reader = JsonLinesReader(stream)
        reader(STORY[0])
        reader.print_above("no event")
        reader.close()
    assert json.loads((tmp_path / "events").read_text())["text"] == "staging by overlay"
