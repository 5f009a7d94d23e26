"""Where an artifact comes from, as a SLSA v1 provenance statement (in-toto): made from its commit's metadata alone.

Pure. The form is that of https://slsa.dev/spec/v1.0/provenance and of in-toto's Statement v1. Manual:
``docs/reference/provenance.md``, which is the specification of the two build types too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from lithify.errors import LithifyError
from lithify.sources.urls import without_password
from lithify.store.reading import Commit

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:lithify:build:{kind}:v1"
UNNAMED_BUILDER = "urn:lithify:builder:unnamed"
"""Nobody vouches for the machine: its setting ``builder-id`` was empty."""

_WORD = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^\s"])+')
_SCP = re.compile(r"([\w.-]+@[\w.-]+):(?!//)(.+)")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_Resource = dict[str, Any]


def provenance(commit: Commit, artifact: str = "") -> dict[str, Any]:
    """Return the statement about a chunk or system, or about one artifact of a chunk.

    Raises :class:`LithifyError` where the commit was made by a lithify that kept too little of it, ``KeyError`` where the
    chunk has no such artifact.
    """
    said = commit.metadata
    if "started-at" not in said:
        raise LithifyError(
            f"{said['name']} was built by lithify {said.get('lithify', '')}, which kept no provenance",
            hints=["build it again: `lithify gc --all` empties the cache"],
        )
    return {
        "_type": STATEMENT,
        "subject": [_subject(commit, artifact)],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE.format(kind=said["kind"]),
                "externalParameters": {
                    "kind": said["kind"],
                    "name": said["name"],
                    "arch": said["arch"],
                    "definitionKey": said["definition-key"],
                    "definitionInputs": said["definition-inputs"],
                },
                "internalParameters": _internal(said),
                "resolvedDependencies": [*_definitions(said), *_sources(said), *_stored(said)],
            },
            "runDetails": _run(commit),
        },
    }


def _subject(commit: Commit, artifact: str) -> _Resource:
    said = commit.metadata
    if artifact and artifact != said["name"]:
        content = said["artifacts"][artifact]["content"]
        return {
            "name": artifact,
            "digest": {"lithifyContent": content},
            "annotations": {"commit": commit.checksum},
        }
    return {"name": said["name"], "digest": {"sha256": commit.checksum, "lithifyContent": said["content"]}}


def _internal(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the builder itself decided: the build key, and how the sandbox was made."""
    names = ("environment", "source-tree", "sandbox", "sandbox-limits", "sandbox-weaknesses", "content-from")
    kept = {_camel(name): said[name] for name in names if name in said}
    adopted = {"adoptedOn": _time(said["adopted-at"])} if "adopted-at" in said else {}
    return {"buildKey": said["build-key"], "buildInputs": said["build-inputs"], **kept, **adopted}


def _camel(name: str) -> str:
    first, *others = name.split("-")
    return first + "".join(other.capitalize() for other in others)


def _definitions(said: Mapping[str, Any]) -> Iterator[_Resource]:
    """Yield the commit of the definitions; without one, what they said stands in the external parameters all the same."""
    commit, repository = said["definitions-commit"], said["definitions-repository"]
    if not commit:
        return
    found: _Resource = {
        **_named_git(repository, commit),
        "name": "definitions",
        "digest": {"gitCommit": commit},
    }
    if said["definitions-changed"]:
        found["annotations"] = {"changed": said["definitions-changed"]}
    yield found


def _sources(said: Mapping[str, Any]) -> Iterator[_Resource]:
    for record in said.get("sources", []):
        declared = _declared(record["source"])
        yield from _RESOURCES[record["kind"]](declared, record["pin"], record["fetch"])


def _declared(identity: str) -> dict[str, str]:
    """Return the fields of a source as declared: ``archive url=https://…``."""
    fields = (word.partition("=")[::2] for word in _WORD.findall(identity)[1:])
    return {name: json.loads(value) if value.startswith('"') else value for name, value in fields if value}


def _git_resources(
    declared: Mapping[str, str], pin: Mapping[str, Any], fetch: Mapping[str, Any]
) -> Iterator[_Resource]:
    tree = {"gitTree": fetch["tree"]} if fetch.get("tree") else {}
    found = {
        **_named_git(declared["url"], pin["commit"]),
        "digest": {"gitCommit": pin["commit"], **tree},
    }
    submodules = fetch.get("submodules")
    yield {**found, "annotations": {"submodules": submodules}} if submodules else found


def _archive_resources(
    declared: Mapping[str, str], pin: Mapping[str, Any], fetch: Mapping[str, Any]
) -> Iterator[_Resource]:
    yield {"uri": _uri(declared["url"]), "digest": {"sha256": pin["sha256"]}}


def _debian_resources(
    declared: Mapping[str, str], pin: Mapping[str, Any], fetch: Mapping[str, Any]
) -> Iterator[_Resource]:
    for (name, version, arch, sha256), (path, _) in zip(pin["packages"], fetch["files"], strict=True):
        yield {
            "name": path,
            "uri": f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={quote(arch)}",
            "digest": {"sha256": sha256},
        }


def _debian_source_resources(
    declared: Mapping[str, str], pin: Mapping[str, Any], fetch: Mapping[str, Any]
) -> Iterator[_Resource]:
    for (name, sha256), (path, _) in zip(pin["files"], fetch["files"], strict=True):
        yield {
            "name": path,
            "uri": f"pkg:deb/debian/{quote(declared['package'])}@{quote(pin['version'])}?arch=source#{quote(name)}",
            "digest": {"sha256": sha256},
        }


def _local_resources(
    declared: Mapping[str, str], pin: Mapping[str, Any], fetch: Mapping[str, Any]
) -> Iterator[_Resource]:
    yield {"name": declared["path"], "digest": {"lithifyTree": pin["tree"]}}


def _patch_resources(
    declared: Mapping[str, str], pin: Mapping[str, Any], fetch: Mapping[str, Any]
) -> Iterator[_Resource]:
    for name, (_, sha256) in zip(fetch["names"], pin["patches"], strict=True):
        yield {"name": name, "digest": {"sha256": sha256}}


_RESOURCES = {
    "git": _git_resources,
    "archive": _archive_resources,
    "debian": _debian_resources,
    "debian-source": _debian_source_resources,
    "local": _local_resources,
    "workspace": _local_resources,
    "patch": _patch_resources,
}


def _stored(said: Mapping[str, Any]) -> Iterator[_Resource]:
    """Yield what came from the store: all that a chunk was built on, or all that a system selects; each has a statement."""
    staged: Sequence[Sequence[str]] = said.get("staged", [])
    for name, commit, content in staged:
        yield {"name": name, "digest": {"sha256": commit, "lithifyContent": content}}
    if said["kind"] == "system":
        for entry in said["artifacts"]:
            yield {
                "name": entry["artifact"],
                "digest": {"lithifyContent": entry["content"]},
                "annotations": {"commit": entry["commit"], "chunk": entry["chunk"]},
            }


def _run(commit: Commit) -> dict[str, Any]:
    said = commit.metadata
    details: dict[str, Any] = {
        "builder": {"id": said["builder"] or UNNAMED_BUILDER, "version": {"lithify": said["lithify"]}},
        "metadata": {
            "invocationId": said.get("content-from", commit.checksum),
            "startedOn": _time(said["started-at"]),
            "finishedOn": _time(said["built-at"]),
        },
    }
    if said["log"]:
        details["byproducts"] = [{"name": "log", "digest": {"sha256": said["log"]}}]
    return details


def _named_git(url: str, commit: str) -> _Resource:
    """Return the URI of a commit; of one in a repository that only has a path from the definitions, the path."""
    uri = _git(url)
    if uri:
        return {"uri": f"{uri}@{commit}"}
    return {"name": url} if url else {}


def _git(url: str) -> str:
    """Return the URI of a repository as SPDX and in-toto write it: ``git+https://…``; "" for a path from somewhere."""
    scp = _SCP.match(url)
    if scp is not None:
        url = f"ssh://{scp[1]}/{scp[2].lstrip('/')}"
    elif url.startswith("/"):
        url = f"file://{url}"
    elif not _SCHEME.match(url):
        return ""
    found = _uri(url)
    return found if found.startswith(("git:", "git+")) else f"git+{found}"


def _uri(url: str) -> str:
    """Return a URL as it may stand in a record: without a password, and what no URI may hold as ``%NN``."""
    return quote(without_password(url), safe="%/:?#[]@!$&'()*+,;=~")


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
