"""Commands that morph or others have and this program has not: what to do instead. Manual: ``docs/coming-from/morph.md``."""

from __future__ import annotations

_GIT = "git does it"
_LATER = "not there yet"
_SHARING = f"{_LATER}: artifacts are not shared between machines"

ABSENT = {
    **dict.fromkeys(
        ("init", "clone", "branch", "merge", "foreach", "status"),
        f"{_GIT}: lithify reads the checkout as it is on disk",
    ),
    "edit": "`lithify workspace open CHUNK` opens a chunk's source",
    **dict.fromkeys(("petrify", "unpetrify"), "`lithify lock` pins every source"),
    "add-binary": "use an `archive` source with its checksum",
    **dict.fromkeys(("push", "pull", "serve", "remote"), _SHARING),
    **dict.fromkeys(("distbuild", "scheduler", "worker"), f"{_SHARING}; `lithify build` builds here"),
    **dict.fromkeys(
        ("manifest", "generate-manifest-csv", "generate-manifest-openwrt", "report"),
        f"{_LATER}: `lithify provenance` tells where an artifact comes from",
    ),
}
"""Name → what is said of it."""
