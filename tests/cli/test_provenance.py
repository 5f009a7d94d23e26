"""`provenance`: what a whole build leaves in its commits is a statement in the published form."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from tests.build.definitions import small_tree
from tests.inside import folder_of
from tests.program import Program
from tests.report.slsa import SCHEMA

pytestmark = pytest.mark.slow

ORIGIN = "https://me:secret@git.example.com/definitions.git"


def git(program: Program, *arguments: str) -> str:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    done = subprocess.run(
        ["git", *who, "-C", program.definitions, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    """The program on a git work tree of which one file was changed after the commit."""
    with folder_of(None) as folder:
        settings = ("--builder-id", "https://ci.example.com/lithify")
        made = Program(folder=folder, definitions=small_tree(folder / "definitions"), settings=settings)
        git(made, "init", "-q", "-b", "main")
        git(made, "add", ".")
        git(made, "commit", "-q", "-m", "one")
        git(made, "remote", "add", "origin", ORIGIN)
        chunk = made.definitions / "chunks" / "app.morph"
        chunk.write_text(chunk.read_text().replace("cat main", "cat main main"))
        made.done("build", "small")
        yield made


def artifacts(program: Program) -> dict[str, str]:
    lines = program.done("list-artifacts", "--cached").stdout.splitlines()
    return {line.partition(".")[2]: line for line in lines}


def stated(program: Program, artifact: str) -> dict[str, Any]:
    said = program.done("provenance", artifact)
    assert said.stderr == ""
    statement = json.loads(said.stdout)
    jsonschema.validate(statement, SCHEMA)
    assert isinstance(statement, dict)
    return statement


def test_a_system_names_its_definitions_and_all_that_is_in_it(program: Program) -> None:
    statement = stated(program, artifacts(program)["system.small-rootfs"])
    definition = statement["predicate"]["buildDefinition"]
    definitions, *selected = definition["resolvedDependencies"]
    assert definitions == {
        "name": "definitions",
        "digest": {"gitCommit": git(program, "rev-parse", "HEAD")},
        "uri": f"git+https://me@git.example.com/definitions.git@{git(program, 'rev-parse', 'HEAD')}",
        "annotations": {"changed": ["chunks/app.morph"]},
    }
    assert {entry["annotations"]["chunk"] for entry in selected} == {"app", "lib", "odd", "shell"}
    assert statement["predicate"]["runDetails"]["builder"]["id"] == "https://ci.example.com/lithify"


def test_a_chunk_names_its_sources_and_what_it_was_built_on(program: Program) -> None:
    key = artifacts(program)["chunk.app-bins"].partition(".")[0]
    statement = stated(program, key[:10])
    [subject] = statement["subject"]
    commit = subject["digest"]["sha256"]
    place = program.cache / "ostree/objects" / commit[:2] / f"{commit[2:]}.commit"
    assert hashlib.sha256(place.read_bytes()).hexdigest() == commit
    definition = statement["predicate"]["buildDefinition"]
    names = [entry["name"] for entry in definition["resolvedDependencies"]]
    assert names == ["definitions", "app", "shell", "lib"]
    inputs = definition["externalParameters"]["definitionInputs"]["inputs"]
    text = json.dumps(inputs, separators=(",", ":"), sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest() == key
    log = program.cache / "logs" / f"{key}.log"
    [byproduct] = statement["predicate"]["runDetails"]["byproducts"]
    assert byproduct["digest"]["sha256"] == hashlib.sha256(log.read_bytes()).hexdigest()


def test_one_artifact_of_a_chunk(program: Program) -> None:
    [subject] = stated(program, artifacts(program)["chunk.lib-libs"])["subject"]
    assert subject["name"] == "lib-libs"
    assert len(subject["digest"]["lithifyContent"]) == 64


def test_an_adopted_build_names_its_own_sources(program: Program) -> None:
    source = program.definitions / "lib" / "source"
    before = source.read_text()
    key = artifacts(program)["chunk.app-bins"].partition(".")[0]
    source.write_text(before + "# a comment\n")  # lib comes out the same, so app is taken as it is
    try:
        program.done("build", "small")
        adopted = next(
            line.partition(".")[0]
            for line in program.done("list-artifacts", "--cached", "small").stdout.splitlines()
            if line.endswith(".chunk.app-bins")
        )
        assert adopted != key
        internal = stated(program, adopted)["predicate"]["buildDefinition"]["internalParameters"]
        assert internal["contentFrom"] == stated(program, key)["subject"][0]["digest"]["sha256"]
    finally:
        source.write_text(before)


def test_what_is_no_artifact(program: Program) -> None:
    wrong = program.run("provenance", "zlib")
    assert (wrong.status, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("ERROR: zlib is no artifact\nhint: KEY.kind.name")
    missing = program.run("provenance", "0" * 64)
    assert (missing.status, missing.stdout) == (1, "")
    stratum = program.run("provenance", f"{'0' * 64}.stratum.base-runtime")
    assert stratum.stderr.startswith("ERROR: base-runtime is a stratum, which has no content of its own\n")
    lib = artifacts(program)["chunk.lib-libs"]
    other = program.run("provenance", f"{lib.partition('.')[0]}.chunk.lib-lib")
    assert other.stderr.startswith("ERROR: lib has no artifact lib-lib\nhint: did you mean lib-libs")
