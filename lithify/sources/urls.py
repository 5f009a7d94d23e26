"""URLs as data: what may be asked for, aliases, mirrors, and how a URL is shown. Pure.

No URL may reach git or ssh as an option or name a program to run (``ext::``), whoever wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from lithify.definitions.addresses import GIT_SCHEMES, is_path, ref_fault, url_fault
from lithify.errors import SourceError


def expand_alias(repository: str, aliases: Mapping[str, str]) -> str:
    """Return the pull URL of ``alias:path``; text without a known alias is a URL already."""
    alias, colon, path = repository.partition(":")
    pattern = aliases.get(alias) if colon and not path.startswith("//") else None
    if pattern is None:
        return repository
    return pattern.replace("%s", path) if "%s" in pattern else pattern + path


def mirrored(url: str, mirrors: Sequence[tuple[str, str]]) -> str:
    """Return where ``url`` is fetched from: the mirror with the longest prefix of it, or itself."""
    fitting = [(prefix, instead) for prefix, instead in mirrors if prefix and url.startswith(prefix)]
    if not fitting:
        return url
    prefix, instead = max(fitting, key=lambda pair: len(pair[0]))
    return instead + url[len(prefix) :]


def git_url(url: str, definitions_root: Path) -> str:
    """Return a repository's URL as git may be given it; a path is taken from the root of the definitions.

    Raises :class:`SourceError` for what git or ssh would take for an option or a program.
    """
    _refuse_controls(url)
    fault = url_fault(url)
    if fault:
        raise SourceError(f"the repository {shown(url)} {fault}", hints=[f"use one of {_listed()}"])
    return str(Path(definitions_root, url)) if is_path(url) else url


def is_local(url: str) -> bool:
    """Whether a repository stands on this machine: a path or a ``file`` URL."""
    return url.startswith("/") or url.lower().startswith("file://")


def is_on_host(url: str, host: str) -> bool:
    """Whether a repository stands on a host, with or without a port; one of this machine where its path has that name.

    A Trove may be a folder of this machine, as in tests of it.
    """
    named = re.escape(host)
    if is_local(url) or is_path(url):
        return re.search(rf"(?<![\w.-]){named}(?![\w.-])", url, re.IGNORECASE) is not None
    where = re.match(r"(?:[A-Za-z][A-Za-z0-9+.-]*://)?(?:[^/@]*@)?([^/]*)", url)
    return where is not None and re.match(rf"{named}(:|\Z)", where[1], re.IGNORECASE) is not None


def relative_url(base: str, url: str) -> str:
    """Return what a submodule's ``./`` or ``../`` URL means in the repository at ``base``, as git has it."""
    if not url.startswith(("./", "../")):
        return url
    base = base.rstrip("/")
    while url.startswith(("./", "../")):
        if url.startswith("../"):
            cut = max(base.rfind("/"), base.rfind(":"))
            if cut <= 0 or base.endswith("://") or base[:cut].endswith(":/"):
                raise SourceError(f"the submodule URL {url} leads out of {shown(base)}")
            separator = base[cut]
            base = base[:cut] + (":" if separator == ":" else "")
            url = url[3:]
        else:
            url = url[2:]
    return base + url if base.endswith(":") else f"{base}/{url}"


def web_url(url: str) -> str:
    """Return the URL of a file to download; raises :class:`SourceError` unless it is http or https."""
    _refuse_controls(url)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SourceError(
            f"{shown(url)} cannot be downloaded", hints=["an archive's url begins with https:// or http://"]
        )
    return url


def checked_ref(ref: str) -> str:
    """Return a branch, tag or commit as git may be given it; raises :class:`SourceError` for what is none."""
    fault = ref_fault(ref)
    if fault:
        raise SourceError(f"the ref {ref!r} {fault}")
    return ref


def shown(url: str) -> str:
    """Return a URL for people to read: without a password."""
    try:
        parts = urlsplit(url)
        if parts.password is None:
            return url
    except ValueError:
        return url
    host = parts.netloc.rsplit("@", 1)[-1]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:…@{host}"))


def without_password(url: str) -> str:
    """Return a URL for records that others read: whoever has the password adds it."""
    return re.sub(r"\A([A-Za-z][A-Za-z0-9+.-]*://[^/@:]*):[^/@]*@", r"\1@", url)


def _refuse_controls(url: str) -> None:
    if not url or url != url.strip() or not url.isprintable():
        raise SourceError(f"{url!r} is no URL")


def _listed() -> str:
    return ", ".join(sorted(GIT_SCHEMES))
