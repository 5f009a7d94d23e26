"""Messages on stderr and in the file of --log, with colour where it is wanted."""

from __future__ import annotations

import io
from typing import TextIO, cast

import pytest

from lithify.cli.messages import Messages, wants_color


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_quiet_leaves_out_warnings_and_the_log_has_all() -> None:
    stream, log = io.StringIO(), io.StringIO()
    messages = Messages(stream)
    messages.note("before the settings were known")
    messages.configure(quiet=True, log=log)
    messages.warn("warning: odd")
    messages.error("ERROR: broken")
    messages.note("only logged")
    assert stream.getvalue() == "ERROR: broken\n"
    assert log.getvalue() == "before the settings were known\nwarning: odd\nERROR: broken\nonly logged\n"


def test_without_a_log_nothing_is_kept() -> None:
    stream = io.StringIO()
    messages = Messages(stream)
    messages.note("one")
    messages.configure(quiet=False, log=None)
    messages.note("two")
    messages.warn("warning: odd\n")
    assert stream.getvalue() == "warning: odd\n"


def test_a_reader_of_events_takes_messages_over() -> None:
    stream = io.StringIO()
    taken: list[str] = []
    messages = Messages(stream)
    messages.configure(quiet=False, log=None)
    messages.above = taken.append
    messages.warn("warning: odd")
    assert (taken, stream.getvalue()) == (["warning: odd\n"], "")


def test_colour_marks_the_words_that_matter() -> None:
    stream = io.StringIO()
    messages = Messages(stream, color=True)
    messages.error("a.morph:1:2: error: no\nhint: yes\nERROR: no error: here")
    assert stream.getvalue() == (
        "a.morph:1:2: \x1b[31merror\x1b[0m: no\n\x1b[1mhint\x1b[0m: yes\n\x1b[31mERROR\x1b[0m: no error: here\n"
    )


@pytest.mark.parametrize(
    ("stream", "environment", "wanted"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ],
)
def test_where_colour_is_wanted(stream: io.StringIO, environment: dict[str, str], wanted: bool) -> None:
    assert wants_color(cast(TextIO, stream), environment) is wanted
