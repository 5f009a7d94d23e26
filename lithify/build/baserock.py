"""The files that lithify itself writes into a system: ``/baserock/*.meta``, integration scripts and ``os-release``.

Pure: what is in a system goes in, paths with their bytes come out. In formats 0 to 8 a ``.meta`` file has morph's fields and
names commits; in format 9 it has name, kind, content digest and file list only, so that equal content is an equal image.
The fields are those of morph (``docs/reference/metadata.md``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from lithify.graph.inputs import is_classic
from lithify.graph.integration import integration_scripts
from lithify.graph.model import Chunk, Command, SelectedArtifact, SystemGraph

CLASSIC_OS_RELEASE = """\
NAME="Baserock"
ID=baserock
HOME_URL="http://wiki.baserock.org"
SUPPORT_URL="http://wiki.baserock.org/mailinglist"
BUG_REPORT_URL="http://wiki.baserock.org/mailinglist"
"""


class WrittenFile(Struct, frozen=True, kw_only=True):
    """A file that lithify writes into a system; owned by 0:0."""

    render: Callable[[], bytes]
    """Gives its content."""
    mode: int = 0o644
    identity: str = ""
    """Where it is not empty: two files of one identity have the same content, so that it need not be rendered once more."""

    @property
    def content(self) -> bytes:
        """The content, rendered."""
        return self.render()


class ClassicIdentity(Struct, frozen=True, kw_only=True):
    """What morph's ``.meta`` fields say of one artifact and of the definitions; empty where nothing is known."""

    repo: str = ""
    repo_alias: str = ""
    original_ref: str = ""
    sha1: str = ""
    morphology: str = ""
    cache_key: str = ""
    cache_id: Mapping[str, Any] | None = None


INTEGRATION_FOLDER = "baserock/system-integration"
META_FORMAT = 1
"""Of the ``.meta`` files of format 9: another one for the same artifact is another file."""


def script_files(graph: SystemGraph) -> dict[str, WrittenFile]:
    """Return the integration scripts of all selected artifacts, by path; they run in the order of their names.

    One command a script, as morph made them: mode 0555, ``set -xeu``, no blank line.
    """
    return {
        f"{INTEGRATION_FOLDER}/{script.name}": _fixed(
            b"#!/bin/sh\nset -xeu\n" + _bytes_of(script.command).rstrip(b"\n") + b"\n", mode=0o555
        )
        for script in integration_scripts(graph)
    }


def os_release(graph: SystemGraph, *, provided: bool) -> dict[str, WrittenFile]:
    """Return ``etc/os-release``, or nothing where the definitions say none and a chunk ``provided`` one."""
    system = graph.system
    if is_classic(graph) or system.classic_os_release:
        return {"etc/os-release": _fixed(CLASSIC_OS_RELEASE.encode())}
    fields = dict(system.os_release)
    if not fields:
        if provided:
            return {}
        fields = {"NAME": system.name, "ID": "lithify"}
    text = "".join(f"{name}={_shell_quoted(value)}\n" for name, value in fields.items())
    return {"etc/os-release": _fixed(text.encode())}


def meta_files(
    graph: SystemGraph,
    *,
    digest_of: Callable[[SelectedArtifact], str],
    paths_of: Callable[[SelectedArtifact], Sequence[str]],
    classic: Callable[[str, str], ClassicIdentity] | None,
) -> dict[str, WrittenFile]:
    """Return the ``.meta`` file of the system, of each stratum artifact and of each chunk artifact in it, by path.

    ``classic(kind, name)`` gives morph's fields of an artifact's source; it is None in format 9.
    """
    system = graph.system
    files: dict[str, WrittenFile] = {}
    members: dict[tuple[str, str], list[SelectedArtifact]] = {pair: [] for pair in system.stratum_artifacts}
    for selected in system.selected:
        files[f"baserock/{selected.artifact}.meta"] = (
            _artifact_meta(selected, digest_of(selected), paths_of)
            if classic is None
            else _classic_artifact_meta(
                graph.chunks[selected.chunk], selected, paths_of(selected), classic("chunk", selected.chunk)
            )
        )
        members.setdefault((selected.stratum, selected.stratum_artifact), []).append(selected)
    for (stratum, artifact), selection in members.items():
        names = sorted(selected.artifact for selected in selection)
        value = (
            {"name": artifact, "kind": "stratum", "artifacts": names}
            if classic is None
            else _classic_meta(
                artifact,
                stratum,
                "stratum",
                graph.strata[stratum].description,
                classic("stratum", artifact),
                names,
            )
        )
        files[f"baserock/{artifact}.meta"] = _json_file(value)
    rootfs = f"{system.name}-rootfs"
    value = (
        {
            "name": system.name,
            "kind": "system",
            "artifacts": sorted(name for _, name in system.stratum_artifacts),
        }
        if classic is None
        else _classic_meta(
            rootfs, system.name, "system", system.description, classic("system", system.name), []
        )
    )
    files[f"baserock/{rootfs}.meta"] = _json_file(value)
    return files


def _artifact_meta(
    selected: SelectedArtifact, digest: str, paths_of: Callable[[SelectedArtifact], Sequence[str]]
) -> WrittenFile:
    def render() -> bytes:
        files = list(paths_of(selected))
        value = {"name": selected.artifact, "kind": "chunk", "content": digest, "files": files}
        return _json_bytes(value)

    return WrittenFile(render=render, identity=f"{META_FORMAT} {digest} {selected.artifact}")


def _classic_artifact_meta(
    chunk: Chunk, selected: SelectedArtifact, paths: Sequence[str], identity: ClassicIdentity
) -> WrittenFile:
    description = _description(chunk)
    return _json_file(_classic_meta(selected.artifact, chunk.name, "chunk", description, identity, paths))


def _classic_meta(
    artifact: str,
    source: str,
    kind: str,
    description: str,
    identity: ClassicIdentity,
    contents: Sequence[str],
) -> dict[str, Any]:
    return {
        "artifact-name": artifact,
        "source-name": source,
        "kind": kind,
        "description": description,
        "repo": identity.repo,
        "repo-alias": identity.repo_alias,
        "original_ref": identity.original_ref,
        "sha1": identity.sha1,
        "morphology": identity.morphology,
        "cache-key": identity.cache_key,
        "cache-id": identity.cache_id or {},
        "morph-version": {"ref": "", "tree": "", "commit": "", "version": ""},
        "contents": list(contents),
    }


def _description(chunk: Chunk) -> str:
    return chunk.licensing.description


def _json_file(value: Mapping[str, Any]) -> WrittenFile:
    return _fixed(_json_bytes(value))


def _json_bytes(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, indent=4, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _fixed(content: bytes, mode: int = 0o644) -> WrittenFile:
    return WrittenFile(render=lambda: content, mode=mode)


def _bytes_of(command: Command) -> bytes:
    return command if isinstance(command, bytes) else command.encode()


def _shell_quoted(value: str) -> str:
    """Return a value as ``os-release`` wants it: bare where it is plain, else in double quotes with escapes."""
    if value and all(character.isalnum() or character in "._-" for character in value):
        return value
    escaped = "".join(f"\\{character}" if character in '"$`\\' else character for character in value)
    return f'"{escaped}"'
