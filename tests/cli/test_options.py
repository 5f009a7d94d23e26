"""Settings are split off a command line wherever they stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithify.cli.options import split_arguments
from lithify.config import SETTING_NAMES, is_flag
from lithify.errors import UsageError


@pytest.mark.parametrize(
    ("line", "rest", "settings"),
    [
        ("build demo", "build demo", {}),
        ("--jobs 4 build demo", "build demo", {"jobs": ["4"]}),
        ("build demo --jobs=4", "build demo", {"jobs": ["4"]}),
        ("build -j 4 demo", "build demo", {"jobs": ["4"]}),
        ("build -j4 demo -k", "build demo -k", {"jobs": ["4"]}),
        ("-v build --quiet demo -d", "build demo", {"verbose": ["yes"], "quiet": ["yes"], "debug": ["yes"]}),
        ("build --fsync no demo", "build demo", {"fsync": ["no"]}),
        ("--no-git-update FALSE build demo", "build demo", {"no-git-update": ["FALSE"]}),
        ("build -q on", "build on", {"quiet": ["yes"]}),
        ("build --fsync=no demo", "build demo", {"fsync": ["no"]}),
        ("build --no-fsync demo", "build demo", {"fsync": ["no"]}),
        ("build --no-git-update demo", "build demo", {"no-git-update": ["yes"]}),
        ("--mirror a=b build --mirror c=d demo", "build demo", {"mirror": ["a=b", "c=d"]}),
        ("deploy demo --partial tar", "deploy demo tar", {"partial": ["yes"]}),
        ("build --cache-server http://x demo", "build demo", {"artifact-cache-server": ["http://x"]}),
        ("build --trove-prefix x demo", "build demo", {"trove-id": ["x"]}),
    ],
)
def test_settings_stand_anywhere(line: str, rest: str, settings: dict[str, list[str]]) -> None:
    split = split_arguments(line.split())
    assert (split.rest, split.settings) == (rest.split(), settings)


@pytest.mark.parametrize(
    "line",
    [
        "--build-log-on-stdout build demo",
        "build --compiler-cache-dir /x demo",
        "--log-level=debug --log-max 10 build demo",
        "build demo --no-no-distcc",
    ],
)
def test_what_morph_had_and_nothing_uses_is_accepted(line: str) -> None:
    split = split_arguments(line.split())
    assert (split.rest, split.settings) == (["build", "demo"], {})


def test_what_follows_two_dashes_is_left_alone() -> None:
    split = split_arguments(["shell", "zlib", "--", "make", "-j4", "--verbose", "--help"])
    assert split.rest == ["shell", "zlib", "--", "make", "-j4", "--verbose", "--help"]
    assert (split.settings, split.help) == ({}, False)


def test_what_stands_before_the_command_too() -> None:
    split = split_arguments(
        ["-C", "a", "-C", "b", "--config", "one", "--config=two", "--no-default-configs", "show"]
    )
    assert (split.directory, split.config_files, split.no_default_configs) == ("a/b", ["one", "two"], True)
    assert split_arguments(["-C", "a", "-C", "/b", "show"]).directory == "/b"


def test_options_of_commands_stay_with_them() -> None:
    line = ["graph", "demo", "--output", "x.svg", "--repo", "a", "--ref", "b"]
    assert split_arguments(line).rest == line


@pytest.mark.parametrize("arguments", [["--jobs"], ["build", "-j"], ["show", "-C"], ["show", "--config"]])
def test_a_value_that_is_missing_is_named(arguments: list[str]) -> None:
    with pytest.raises(UsageError, match=f"^{arguments[-1]} needs a value$"):
        split_arguments(arguments)


plain_words = st.text(alphabet="abcxyz./", min_size=1, max_size=6)
given_settings = st.lists(
    st.sampled_from(sorted(name for name in SETTING_NAMES if not is_flag(name))).flatmap(
        lambda name: st.tuples(st.just(name), plain_words)
    ),
    max_size=5,
)


@given(st.lists(plain_words, min_size=1, max_size=5), given_settings)
def test_where_settings_stand_makes_no_difference(words: list[str], pairs: list[tuple[str, str]]) -> None:
    words = ["build", *words]
    behind = [*words, *(text for name, value in pairs for text in (f"--{name}", value))]
    before = [*(text for name, value in pairs for text in (f"--{name}={value}",)), *words]
    assert split_arguments(behind) == split_arguments(before)
