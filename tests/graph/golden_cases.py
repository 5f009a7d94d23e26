"""The trees whose keys are golden: every kind of chunk, source, stratum selection and system, in formats 8 and 9."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lithify.definitions.builtin import MODERN
from lithify.definitions.model import Source
from lithify.definitions.tree import Definitions
from lithify.graph.canonical import Value, digest
from lithify.graph.inputs import Inputs
from lithify.graph.keys import Keys, Unresolved, build_key, definition_keys
from lithify.graph.model import ContentDigest, DefinitionKey, SystemGraph
from lithify.graph.pins import Pin, declared_pin
from lithify.graph.resolve import resolve
from tests.graph.trees import chunk, files, stratum, system, tree

PINS: Mapping[str, Mapping[str, Value]] = {
    "git": {"commit": "89abcdef" * 5},
    "archive": {"sha256": "01" * 32},
    "debian-source": {"version": "1.2-3", "files": [["x_1.2.orig.tar.xz", "02" * 32]]},
    "debian": {"packages": [["bash", "5.2-1", "amd64", "03" * 32]]},
    "pypi": {"file": "x-1.0.tar.gz", "sha256": "04" * 32},
    "local": {"tree": "05" * 32},
    "patch": {"patches": [["a.patch", "06" * 32]]},
}
"""What a source of each kind is pinned to, where it does not name a commit itself."""

HOST = "os-release 12; gcc 12.2"


def pins_of(graph: SystemGraph) -> dict[Source, Pin]:
    """Return a pin for each source of a graph."""
    sources = {source for chunk in graph.chunks.values() for source in chunk.sources}
    return {
        source: declared_pin(source) or Pin(kind=source.kind, digest_data=PINS[source.kind])
        for source in sources
    }


def _sources(name: str, *sources: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "sources": list(sources), "build-system": "manual"}


def modern() -> Definitions:
    """Return a tree in format 9."""
    toolchain = stratum(
        "toolchain",
        [
            chunk("stage1", build_mode="bootstrap", prefix="/tools", build_system="manual"),
            chunk("gcc", "stage1", build_mode="test", build_system="manual"),
            chunk("libstdc++", "stage1", "gcc", build_system="manual"),
            {"name": "base", "sources": [{"kind": "debian", "packages": ["bash"], "suite": "bookworm"}]}
            | {"build-system": "import"},
        ],
        products=[{"artifact": "toolchain-minimal", "include": ["libstdc.*-libs"]}],
    )
    kinds = stratum(
        "kinds",
        [
            chunk("plain", build_system="manual"),
            chunk(
                "commands",
                "plain",
                build_system="manual",
                build_commands=["make", b"\xff"],
                post_strip_commands=["x"],
            ),
            chunk(
                "environment",
                build_system="manual",
                environment={"CFLAGS": "-O2", "PATH": "/opt"},
                max_jobs=1,
                prefix="/opt",
            ),
            chunk("flags", build_system="manual", compiler_cache=True, keep_git=True),
            chunk(
                "split",
                build_system="manual",
                products=[{"artifact": "split-extra", "include": ["etc/.*", "srv"]}],
                system_integration={"split-extra": {"00": ["ldconfig", "true"]}, "split-libs": {"01": ["x"]}},
                artifacts={"split-extra": "kinds-special"},
            ),
            chunk(
                "devices",
                build_system="manual",
                devices=[
                    {
                        "type": "c",
                        "filename": "/dev/x",
                        "permissions": "0640",
                        "major": 1,
                        "minor": 3,
                        "uid": 5,
                        "gid": 7,
                    }
                ],
            ),
        ],
        "toolchain",
    )
    systems = sorted(MODERN.build_systems.keys() - {"manual", "import"})
    build_systems = stratum("build-systems", [chunk(f"by-{name}", build_system=name) for name in systems])
    local = {"kind": "local", "path": "src", "into": "config"}
    of_sources = stratum(
        "sources",
        [
            _sources("git", {"kind": "git", "url": "https://example.org/x", "ref": "0" * 40, "into": "sub"}),
            _sources("git-branch", {"kind": "git", "url": "https://example.org/x", "track": "main"}),
            _sources("archive", {"kind": "archive", "url": "https://example.org/x.tar", "strip": 2}),
            _sources(
                "debian-source",
                {"kind": "debian-source", "package": "x", "suite": "bookworm", "patches": False},
            ),
            _sources(
                "debian", {"kind": "debian", "packages": ["bash"], "suite": "bookworm", "dependencies": False}
            ),
            _sources("pypi", {"kind": "pypi", "project": "x", "version": "1.0"}),
            _sources("several", local, {"kind": "patch", "path": "patches", "strip": 0}),
        ],
        "kinds",
    )
    demo = system(
        {"morph": "strata/toolchain.morph", "artifacts": ["toolchain-minimal"]},
        "kinds",
        {"morph": "strata/sources.morph", "artifacts": ["sources-runtime"]},
        {"morph": "strata/build-systems.morph", "artifacts": ["build-systems-devel"]},
        overlaps={"usr/share/**": "allow", "**": "refuse"},
        os_release={"NAME": "Demo", "ID": "demo"},
    )
    return tree(
        {**files(demo, toolchain, kinds, of_sources, build_systems), "src/a": "a", "patches/a.patch": ""}
    )


def classic() -> Definitions:
    """Return a tree in format 8."""
    base = stratum("base", [chunk("stage1", build_mode="bootstrap"), chunk("libc", "stage1")])
    defaults = """
        build-systems: {autotools: {build-commands: [make]}}
        split-rules:
          chunk: [{artifact: -libs, include: [lib/.*]}, {artifact: -misc, include: [.*]}]
          stratum: [{artifact: -runtime, include: [.*]}]
        """
    return tree({**files(system("base"), base), "DEFAULTS": defaults}, version=8)


CASES = {"format-9": modern, "format-8": classic}


def golden(definitions: Definitions) -> dict[str, dict[str, Value]]:
    """Return every key of a tree's system with what it is made of: ``{"chunk zlib": {"key": …, "inputs": …}}``."""
    graph = resolve(definitions, "systems/demo.morph")
    keys = definition_keys(graph, pins_of(graph))
    found: dict[str, dict[str, Value]] = {}
    for name, key in keys.chunk.items():
        found[f"chunk {name}"] = {"key": known(key), "inputs": keys.inputs("chunk", name)}
    for (_, name), key in keys.stratum_artifact.items():
        found[f"stratum artifact {name}"] = {"key": known(key), "inputs": keys.inputs("stratum", name)}
    found["system"] = {"key": known(keys.system), "inputs": keys.inputs("system", "demo")}
    for label, inputs in _build_inputs(keys):
        found[label] = {"key": build_key(inputs), "inputs": inputs}
    return found


def known(key: DefinitionKey | Unresolved) -> DefinitionKey:
    """Return a key that must be known."""
    assert not isinstance(key, Unresolved), key
    return key


def _build_inputs(keys: Keys) -> Iterator[tuple[str, Inputs]]:
    graph = keys.graph
    content = {name: ContentDigest(digest(["content of", name])) for name in graph.chunks}
    for name in graph.chunks:
        yield (
            f"build of chunk {name}",
            keys.chunk_build_inputs(name, tree=digest(name), content=content, host=HOST),
        )
    parts = {
        (item.chunk, item.artifact): ContentDigest(digest(item.artifact)) for item in graph.system.selected
    }
    yield "build of system", keys.system_build_inputs(content=parts)
