"""Settings: files, environment and options, in this order; morph's files as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithify.config import (
    MORPH_ONLY,
    SETTING_NAMES,
    Layer,
    Settings,
    default_settings,
    parse_size,
    read_environment,
    read_file,
    settings_of,
    value_text,
)
from lithify.errors import UsageError

MORPH_CONF = """\
# a file that morph wrote for itself
[config]
trove-host=git.example.com
trove-id= mine, theirs=their/path#git#ssh
repo-alias = one=https://one.example/%s#ssh://one.example/%s,two=git://two.example/#ssh://two.example/
cachedir =/srv/cache
no-git-update: YES
max-jobs = 7
tempdir-min-space = 2G
no-distcc = true
compiler-cache-dir = /srv/ccache
tarball-server =
[other]
cachedir = /elsewhere
"""


def settings(**values: Any) -> Settings:
    """Return the settings that these options make, over the defaults of a user whose home is /home/new."""
    given_values = {name.replace("_", "-"): value for name, value in values.items()}
    found, warnings = settings_of(
        [Layer(origin="option", values=given_values)], defaults=Settings(), home="/home/new"
    )
    assert warnings == ()
    return found


def read(text: str) -> tuple[Settings, tuple[str, ...]]:
    """Return the settings and warnings of one file."""
    return settings_of([read_file(text, "/etc/morph.conf")], defaults=Settings())


def test_a_file_of_morph_is_valid_as_it_is() -> None:
    found, warnings = read(MORPH_CONF)
    assert warnings == ()
    assert found.trove_host == "git.example.com"
    assert found.trove_id == ("mine", "theirs=their/path#git#ssh")
    assert found.repo_alias == (
        "one=https://one.example/%s#ssh://one.example/%s",
        "two=git://two.example/#ssh://two.example/",
    )
    assert found.cachedir == Path("/srv/cache")
    assert found.no_git_update is True
    assert found.max_jobs == 7
    assert found.tempdir_min_space == 2 << 30
    assert found.origins["cachedir"] == "/etc/morph.conf"
    assert "timeout" not in found.origins


@pytest.mark.parametrize("line", ["cachedir=/x", "cachedir= /x", "cachedir = /x", "cachedir =/x   "])
def test_blanks_around_the_equals_sign_mean_nothing(line: str) -> None:
    assert read(f"[config]\n{line}\n")[0].cachedir == Path("/x")


@pytest.mark.parametrize("name", sorted(MORPH_ONLY))
def test_what_morph_knew_and_nothing_uses_is_silent(name: str) -> None:
    found, warnings = read(f"[config]\n{name} = anything\n")
    assert warnings == ()
    assert found == Settings()


def test_an_unknown_key_is_a_warning_that_names_the_nearest() -> None:
    _, warnings = read("[config]\ncachdir = /x\nzzz = 1\n")
    assert warnings == (
        "/etc/morph.conf: unknown setting cachdir; did you mean cachedir?",
        "/etc/morph.conf: unknown setting zzz",
    )


def test_later_layers_win_and_each_value_knows_its_origin() -> None:
    layers = [
        read_file("[config]\ncachedir = /one\njobs = 1\nmirror = a=b\n", "/etc/lithify.conf"),
        read_file("[config]\ncachedir = /two\n", "/home/new/.config/lithify/own.conf"),
        read_environment({"LITHIFY_CACHEDIR": "/three", "LITHIFY_NOTHING": "1", "CACHEDIR": "/four"}),
        Layer(origin="option", values={"mirror": ["c=d", "e=f"]}),
    ]
    found, warnings = settings_of(layers, defaults=Settings())
    assert warnings == ()
    assert (found.cachedir, found.jobs, found.mirror) == (Path("/three"), 1, (("c", "d"), ("e", "f")))
    assert found.origins == {
        "cachedir": "environment",
        "jobs": "/etc/lithify.conf",
        "mirror": "option",
    }


@pytest.mark.parametrize("text", ["true", "yes", "on", "1", "YES", "On"])
def test_words_for_yes(text: str) -> None:
    assert settings(fsync=text).fsync is True


@pytest.mark.parametrize("text", ["false", "no", "off", "0", "NO", "Off"])
def test_words_for_no(text: str) -> None:
    assert settings(fsync=text).fsync is False


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("12", 12),
        ("1K", 1024),
        ("20M", 20 << 20),
        ("4G", 4 << 30),
        ("1 GiB", 1 << 30),
        ("3kB", 3072),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size
    assert settings(cachedir_min_space=text).cachedir_min_space == size


def test_no_limit_is_none() -> None:
    found = settings(memory_limit="0", timeout="0", cachedir_max_size="")
    assert (found.memory_limit, found.timeout, found.cachedir_max_size) == (None, None, None)


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("30m", 1800), ("1.5h", 5400), ("7d", 604800)])
def test_times(text: str, seconds: float) -> None:
    assert settings(timeout=text).timeout == seconds
    assert settings(gc_keep=text).gc_keep == seconds


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("jobs", "many", "option: jobs is many, not a number"),
        ("jobs", "-1", "option: jobs is -1, not a number"),
        ("fsync", "maybe", "option: fsync is maybe, not yes or no"),
        ("log-limit", "much", "option: log-limit is much, not a size such as 500M or 4G"),
        ("timeout", "soon", "option: timeout is soon, not a time such as 90, 30m or 7d"),
        ("local-changes", "some", "option: local-changes is some, not one of include, ignore"),
        (
            "staging-method",
            "magic",
            "option: staging-method is magic, not one of auto, overlay",
        ),
        ("mirror", "nowhere", "option: mirror nowhere is not PREFIX=URL"),
        ("cachedir", "", "option: cachedir is empty"),
    ],
)
def test_a_value_that_cannot_be_names_its_setting_and_origin(name: str, text: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        settings(**{name: text})
    assert raised.value.message.startswith(message)


def test_a_file_that_is_no_ini_file_is_named() -> None:
    with pytest.raises(UsageError, match=r"^/etc/morph\.conf:1: "):
        read_file("cachedir = /x\n", "/etc/morph.conf")


def test_home_is_the_callers() -> None:
    assert settings(cachedir="~/cache").cachedir == Path("/home/new/cache")
    assert settings(tempdir="~other").tempdir == Path("~other")


def test_the_trove_gives_aliases_and_the_users_own_win() -> None:
    found = settings(
        trove_host="git.example.com",
        trove_id=["mine", "theirs=their/path#git#ssh"],
        repo_alias=["upstream=https://own.example/%s#ssh://own.example/%s"],
    )
    assert found.repository_aliases() == (
        "baserock=git://git.example.com/baserock/%s#ssh://git@git.example.com/baserock/%s",
        "upstream=https://own.example/%s#ssh://own.example/%s",
        "mine=ssh://git@git.example.com/mine/%s#ssh://git@git.example.com/mine/%s",
        "theirs=git://git.example.com/their/path/%s#ssh://git@git.example.com/their/path/%s",
    )
    assert found.pull_aliases()["theirs"] == "git://git.example.com/their/path/%s"


@pytest.mark.parametrize("host", ["", "[]"])
def test_without_a_trove_there_are_no_aliases_of_it(host: str) -> None:
    assert "upstream" not in settings(trove_host=host).pull_aliases()


def test_a_trove_id_that_is_none_is_named() -> None:
    with pytest.raises(UsageError, match="trove-id mine=path#http#ssh is not NAME"):
        settings(trove_host="git.example.com", trove_id="mine=path#http#ssh").repository_aliases()


def test_a_malformed_alias_is_no_alias() -> None:
    assert settings(repo_alias="nothing", trove_host="").pull_aliases() == {}


def test_what_follows_from_the_trove_is_morphs() -> None:
    found = settings(trove_host="git.example.com", trove_prefix="first, second")
    assert found.trove_id == ("first", "second")
    assert found.artifact_cache_server == "http://git.example.com:8080/"
    assert found.origins["artifact-cache-server"] == "trove-host"
    assert found.build_ref_prefix == "first/builds"
    assert Settings().artifact_cache_server == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max-jobs = 1\n", "somewhere:1: settings stand in a section"),
        ("[config]\nmax-jobs = 1\n[oth\n", "somewhere:3: this is no KEY = VALUE"),
    ],
)
def test_a_file_that_is_none_is_told_with_its_line(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_file(text, "somewhere")
    assert caught.value.message == said


def test_an_old_name_gives_way_to_the_new_one() -> None:
    text = "[config]\nartifact-cache-server = http://new\ncache-server = http://old\n"
    assert read(text)[0].artifact_cache_server == "http://new"
    assert read("[config]\ncache-server = http://old\n")[0].artifact_cache_server == "http://old"


def test_root_shares_a_cache_and_a_user_has_an_own_one() -> None:
    root = default_settings({"HOME": "/root"}, root=True, processors=4)
    user = default_settings({"HOME": "/home/new"}, root=False, processors=64)
    elsewhere = default_settings({"HOME": "/root", "XDG_CACHE_HOME": "/x"}, root=True, processors=4)
    assert root.cachedir == Path("/var/cache/lithify")
    assert user.cachedir == Path("/home/new/.cache/lithify")
    assert elsewhere.cachedir == Path("/x/lithify")
    assert (root.max_jobs, user.max_jobs, user.jobs) == (4, 20, 8)


@given(st.dictionaries(st.sampled_from(SETTING_NAMES), st.text(max_size=30), max_size=4))
def test_any_text_is_a_value_or_a_named_error(values: dict[str, str]) -> None:
    try:
        settings_of([Layer(origin="somewhere", values=values)], defaults=Settings())
    except UsageError as error:
        assert error.message.startswith("somewhere: ")


@given(st.lists(st.text(alphabet="abc/%.", min_size=1, max_size=8), min_size=1, max_size=4, unique=True))
def test_a_list_that_is_printed_reads_back_as_it_was(items: list[str]) -> None:
    shown = value_text(tuple(items))
    assert settings(trove_id=shown).trove_id == tuple(items)
