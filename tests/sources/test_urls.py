"""URLs and refs are data: none reaches git or ssh as an option or a program."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithify.errors import SourceError
from lithify.sources.urls import (
    checked_ref,
    expand_alias,
    git_url,
    is_local,
    is_on_host,
    mirrored,
    relative_url,
    shown,
    web_url,
)

ROOT = Path("/definitions")

HOSTILE_URLS = [
    "--upload-pack=touch /tmp/x",
    "-oProxyCommand=x",
    "ext::sh -c touch% /tmp/x",
    "fd::17/foo",
    "ssh://-oProxyCommand=x/y",
    "ssh://user@-oProxyCommand=x/y",
    "-host:path",
    "user@-host:path",
    "host:-path",
    "ftp://host/x.git",
    "javascript://x",
    "https:///no-host",
    "https://host/with\nnewline",
    "https://host/\x1b[31m",
    " https://host/x",
    "",
]
HOSTILE_REFS = [
    "--upload-pack=x",
    "-x",
    "a b",
    "a..b",
    "a~1",
    "a^{commit}",
    "a:b",
    "x@{1}",
    "a\nb",
    "a*",
    "",
    "a.lock",
    "a/",
]


@pytest.mark.parametrize("url", HOSTILE_URLS)
def test_hostile_urls_are_refused(url: str) -> None:
    with pytest.raises(SourceError):
        git_url(url, ROOT)


@pytest.mark.parametrize("ref", HOSTILE_REFS)
def test_hostile_refs_are_refused(ref: str) -> None:
    with pytest.raises(SourceError):
        checked_ref(ref)


@pytest.mark.parametrize(
    "url",
    [
        "https://host/x.git",
        "git://host/x",
        "ssh://git@host:22/x.git",
        "git+ssh://host/x",
        "file:///srv/x",
        "git@host:group/x.git",
        "host:x",
        "/srv/x",
    ],
)
def test_usual_urls_stay_as_they_are(url: str) -> None:
    assert git_url(url, ROOT) == url


def test_a_path_starts_at_the_definitions() -> None:
    assert git_url("../other", ROOT) == "/definitions/../other"
    assert git_url("repo", ROOT) == "/definitions/repo"
    assert is_local("/srv/x") and is_local("file:///srv/x") and not is_local("https://host/x")


def test_aliases() -> None:
    aliases = {"baserock": "git://host/baserock/%s", "plain": "https://host/"}
    assert expand_alias("baserock:tests/x", aliases) == "git://host/baserock/tests/x"
    assert expand_alias("plain:x", aliases) == "https://host/x"
    assert expand_alias("unknown:x", aliases) == "unknown:x"
    assert expand_alias("https://host/x", {"https": "no"}) == "https://host/x"


def test_the_longest_prefix_wins() -> None:
    mirrors = (("https://host/", "https://a/"), ("https://host/deep/", "file:///b/"))
    assert mirrored("https://host/x", mirrors) == "https://a/x"
    assert mirrored("https://host/deep/x", mirrors) == "file:///b/x"
    assert mirrored("https://other/x", mirrors) == "https://other/x"


@pytest.mark.parametrize(
    ("base", "url", "expected"),
    [
        ("https://host/group/x.git", "../y.git", "https://host/group/y.git"),
        ("https://host/group/x.git/", "./y", "https://host/group/x.git/y"),
        ("git@host:group/x.git", "../y.git", "git@host:group/y.git"),
        ("git@host:x.git", "../y.git", "git@host:y.git"),
        ("/srv/x", "../y", "/srv/y"),
        ("file:///srv/x", "../../y", "file:///y"),
        ("https://host/x", "https://elsewhere/y", "https://elsewhere/y"),
    ],
)
def test_relative_submodule_urls(base: str, url: str, expected: str) -> None:
    assert relative_url(base, url) == expected


def test_a_relative_submodule_url_stays_on_its_server() -> None:
    with pytest.raises(SourceError):
        relative_url("https://host/x", "../../../y")


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://h/x", "/etc/passwd", "https://", "-x", "https://h/\n"]
)
def test_an_archive_is_downloaded_from_the_web_alone(url: str) -> None:
    with pytest.raises(SourceError):
        web_url(url)


def test_passwords_are_not_shown() -> None:
    assert shown("https://me:secret@host:1/x") == "https://me:…@host:1/x"
    assert shown("git@host:x") == "git@host:x"


@given(st.text(max_size=40))
def test_no_text_becomes_an_option(text: str) -> None:
    try:
        url = git_url(text, ROOT)
    except SourceError:
        return
    assert not url.startswith("-")
    assert "::" not in url.split("/")[0]


@pytest.mark.parametrize(
    ("url", "host", "is_there"),
    [
        ("git://trove.example.com/delta/x", "trove.example.com", True),
        ("ssh://git@trove.example.com:2222/x", "trove.example.com", True),
        ("ssh://git@trove.example.com:2222/x", "trove.example.com:2222", True),
        ("git@Trove.example.com:x", "trove.example.com", True),
        ("https://trove.example.com", "trove.example.com", True),
        ("https://trove.example.com.evil.example/x", "trove.example.com", False),
        ("https://a.trove.example.com/x", "trove.example.com", False),
        ("https://example.org/trove.example.com/x", "trove.example.com", False),
        ("https://trove.example.com@example.org/x", "trove.example.com", False),
        ("file:///srv/trove/x", "trove", True),
        ("/srv/trove/x", "/srv/trove", True),
        ("/srv/trove-of-others/x", "trove", False),
    ],
)
def test_a_host_is_told_from_others(url: str, host: str, *, is_there: bool) -> None:
    assert is_on_host(url, host) is is_there
