from __future__ import annotations

import pytest

from lithify.errors import Place
from lithify.graph.environment import chunk_environment, target_triplet
from lithify.graph.model import BuildMode, Chunk


def made(
    *,
    build_mode: BuildMode = "staging",
    compiler_cache: bool = False,
    environment: tuple[tuple[str, str], ...] = (),
) -> Chunk:
    return Chunk(
        name="a",
        stratum="s",
        file="a.morph",
        place=Place("s.morph"),
        arch="armv7lhf",
        build_mode=build_mode,
        compiler_cache=compiler_cache,
        environment=environment,
        prefix="/opt",
    )


@pytest.mark.parametrize(
    ("arch", "expected"),
    [
        ("x86_64", "x86_64-baserock-linux-gnu"),
        ("x86_32", "i686-baserock-linux-gnu"),
        ("armv5l", "armv5l-baserock-linux-gnueabi"),
        ("armv7l", "armv7l-baserock-linux-gnueabi"),
        ("armv7lhf", "armv7lhf-baserock-linux-gnueabi"),
        ("armv7b", "armv7b-baserock-linux-gnueabi"),
        ("armv8l64", "aarch64-baserock-linux-gnu"),
        ("armv8b64", "aarch64_be-baserock-linux-gnu"),
        ("ppc64", "ppc64-baserock-linux-gnu"),
        ("mips64b", "mips64-baserock-linux-gnuabi64"),
        ("mips64l", "mips64el-baserock-linux-gnuabi64"),
        ("mips32b", "mips-baserock-linux-gnu"),
        ("mips32l", "mipsel-baserock-linux-gnu"),
    ],
)
def test_the_triplet_of_every_architecture(arch: str, expected: str) -> None:
    assert target_triplet(arch) == expected


def test_the_whole_environment() -> None:
    assert chunk_environment(made(), ()) == {
        "TERM": "dumb",
        "SHELL": "/bin/sh",
        "LC_ALL": "C",
        "HOME": "/tmp",
        "USER": "tomjon",
        "USERNAME": "tomjon",
        "LOGNAME": "tomjon",
        "SOURCE_DATE_EPOCH": "683074800",
        "MORPH_ARCH": "armv7lhf",
        "TARGET": "armv7lhf-baserock-linux-gnueabi",
        "TARGET_STAGE1": "armv7lhf-bootstrap-linux-gnueabi",
        "PREFIX": "/opt",
        "PATH": "/sbin:/usr/sbin:/bin:/usr/bin",
    }


def test_the_path_in_a_staging_area() -> None:
    path = chunk_environment(made(compiler_cache=True), ("/tools", "/usr/", "/", "/tools"))["PATH"]
    assert path == "/usr/lib/ccache:/tools/bin:/usr/bin:/bin:/sbin:/usr/sbin:/bin:/usr/bin"


@pytest.mark.parametrize("mode", ["bootstrap", "test"])
def test_the_path_on_the_host(mode: BuildMode) -> None:
    path = chunk_environment(made(build_mode=mode), ("/tools",))["PATH"]
    assert path == "/lithify/tools/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def test_what_the_definition_sets_replaces_what_is_set_here() -> None:
    variables = chunk_environment(made(environment=(("PATH", "/x"), ("CFLAGS", "-O2"))), ("/tools",))
    assert (variables["PATH"], variables["CFLAGS"]) == ("/x", "-O2")
