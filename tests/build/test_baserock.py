"""The files that lithify writes into a system."""

from __future__ import annotations

import json

from lithify.build.baserock import CLASSIC_OS_RELEASE, ClassicIdentity, meta_files, os_release, script_files
from lithify.errors import Place
from lithify.graph.model import (
    Chunk,
    Integration,
    SelectedArtifact,
    SplitRule,
    Stratum,
    StratumArtifact,
    System,
    SystemGraph,
)

PLACE = Place("strata/s.morph")


def graph(*, format: int = 9, **of_system: object) -> SystemGraph:
    chunk = Chunk(
        name="zlib",
        stratum="s",
        file="zlib.morph",
        place=PLACE,
        arch="x86_64",
        split_rules=(
            SplitRule(artifact="zlib-libs", include=("usr/lib/.*",)),
            SplitRule(artifact="zlib-misc", include=(".*",)),
        ),
        integration=(
            Integration(artifact="zlib-libs", prefix="00-links", commands=("ldconfig\n", b"echo \xff")),
            Integration(artifact="zlib-misc", prefix="01", commands=("never",)),
        ),
    )
    members = (("zlib", "zlib-libs"),)
    system = System(
        name="demo",
        file="demo.morph",
        place=PLACE,
        arch="x86_64",
        strata=("s",),
        stratum_artifacts=(("s", "s-runtime"),),
        selected=(
            SelectedArtifact(stratum="s", stratum_artifact="s-runtime", chunk="zlib", artifact="zlib-libs"),
        ),
        **of_system,  # type: ignore[arg-type]
    )
    stratum = Stratum(
        name="s",
        file="s.morph",
        place=PLACE,
        chunks=("zlib",),
        artifacts=(StratumArtifact(name="s-runtime", members=members),),
    )
    return SystemGraph(
        format=format,
        system=system,
        strata={"s": stratum},
        chunks={"zlib": chunk},
        needed=frozenset({"zlib"}),
    )


def test_a_script_holds_one_command_and_nothing_else() -> None:
    scripts = script_files(graph())
    folder = "baserock/system-integration"
    assert list(scripts) == [f"{folder}/00-links-zlib-libs-0000", f"{folder}/00-links-zlib-libs-0001"]
    assert scripts[f"{folder}/00-links-zlib-libs-0000"].content == b"#!/bin/sh\nset -xeu\nldconfig\n"
    assert scripts[f"{folder}/00-links-zlib-libs-0001"].content.endswith(b"echo \xff\n")
    assert {file.mode for file in scripts.values()} == {0o555}


def test_a_format_9_image_names_no_commit_and_no_key() -> None:
    files = meta_files(graph(), digest_of=lambda _: "d1", paths_of=lambda _: ["usr", "usr/lib"], classic=None)
    assert sorted(files) == [
        "baserock/demo-rootfs.meta",
        "baserock/s-runtime.meta",
        "baserock/zlib-libs.meta",
    ]
    chunk = json.loads(files["baserock/zlib-libs.meta"].content)
    assert chunk == {"name": "zlib-libs", "kind": "chunk", "content": "d1", "files": ["usr", "usr/lib"]}
    assert json.loads(files["baserock/s-runtime.meta"].content)["artifacts"] == ["zlib-libs"]


def test_a_classic_image_has_the_fields_of_morph() -> None:
    files = meta_files(
        graph(format=8),
        digest_of=lambda _: "d1",
        paths_of=lambda _: ["usr"],
        classic=lambda kind, name: ClassicIdentity(
            repo="upstream:zlib", sha1="1" * 40, cache_key=f"{kind}-{name}"
        ),
    )
    chunk = json.loads(files["baserock/zlib-libs.meta"].content)
    assert (chunk["artifact-name"], chunk["source-name"], chunk["sha1"]) == ("zlib-libs", "zlib", "1" * 40)
    assert chunk["contents"] == ["usr"]
    assert json.loads(files["baserock/demo-rootfs.meta"].content)["cache-key"] == "system-demo"


def test_os_release() -> None:
    assert os_release(graph(format=8), provided=True)["etc/os-release"].content == CLASSIC_OS_RELEASE.encode()
    assert os_release(graph(), provided=True) == {}
    assert os_release(graph(), provided=False)["etc/os-release"].content == b"NAME=demo\nID=lithify\n"
    quoted = os_release(graph(os_release=(("NAME", 'My "own" $ystem'),)), provided=True)["etc/os-release"]
    assert quoted.content == b'NAME="My \\"own\\" \\$ystem"\n'
