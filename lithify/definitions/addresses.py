"""Addresses as data: which text may be the URL of a repository, and which a branch, tag or commit. Pure.

No text may reach git or ssh as an option, or name a program to run (``ext::``), whoever wrote it.
"""

from __future__ import annotations

import re

GIT_SCHEMES = frozenset({"https", "http", "git", "ssh", "git+ssh", "ssh+git", "file"})
"""What git may be asked for; the same list as ``GIT_ALLOW_PROTOCOL``, which git itself then holds to."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)\Z", re.DOTALL)
_HELPER = re.compile(r"[A-Za-z0-9+.-]+::")
_SCP = re.compile(r"(?:[^@/:]+@)?(?P<host>\[[^]]*\]|[^/:]+):(?P<path>(?!//).+)\Z")
_REF = re.compile(r"[^\x00-\x20\x7f~^:?*\[\\]+\Z")


def is_path(url: str) -> bool:
    """Return whether a repository is named by a path: neither by a URL, nor as ``host:path``."""
    return not _SCHEME.match(url) and (url.startswith(("/", "./", "../")) or not _SCP.match(url))


def url_fault(url: str) -> str:
    """Return why git may not be given a URL, ``host:path`` or path, said of it; empty where it may."""
    if url.startswith("-"):
        return "would be taken for an option"
    if _HELPER.match(url):
        return "names a program to run, not a repository"
    scheme = _SCHEME.match(url)
    if scheme:
        host = scheme[2].split("/", 1)[0].rsplit("@", 1)[-1]
        if scheme[1].lower() not in GIT_SCHEMES:
            return "has an unknown scheme"
        if host.startswith("-") or scheme[2].startswith("-"):
            return "has a host that would be taken for an option"
        return "" if host or scheme[1].lower() == "file" else "names no host"
    remote = None if is_path(url) else _SCP.match(url)
    if remote and (remote["host"].startswith("-") or remote["path"].startswith("-")):
        return "has a host or path that would be taken for an option"
    return ""


def ref_fault(ref: str) -> str:
    """Return why git may not be given a text as a branch, tag or commit, said of it; empty where it may."""
    if ref.startswith("-"):
        return "would be taken for an option"
    if not _REF.match(ref) or ".." in ref or "@{" in ref or ref.endswith((".lock", "/", ".")):
        return "is no name of a branch, tag or commit"
    return ""
