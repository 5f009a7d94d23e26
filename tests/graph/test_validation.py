from __future__ import annotations

from lithify.graph.validation import faults_of
from tests.graph.trees import chunk, files, stratum, system, tree


def test_a_sound_tree_has_no_fault() -> None:
    base, lib = stratum("base", [chunk("a")]), stratum("lib", [chunk("b")], "base")
    assert faults_of(tree(files(system("lib"), base, lib))) == ()


def test_faults_of_files_strata_and_systems_come_together() -> None:
    ring = [stratum("r1", [chunk("x")], "r2"), stratum("r2", [chunk("y")], "r1")]
    turning = stratum("turning", [chunk("p", "q"), chunk("q", "p"), chunk("gone", morph="gone.morph")])
    left, right = stratum("left", [chunk("same")]), stratum("right", [chunk("same", ref="other")])
    demo = system("left", "right", {"morph": "strata/turning.morph", "artifacts": ["turning-nothing"]})
    again = system("right", "left", name="again")
    definitions = {**files(demo, *ring, turning, left, right), "systems/again.morph": again}
    definitions["broken.morph"] = {"name": "broken", "kind": "strata"}
    found = faults_of(tree(definitions))
    assert [(fault.place.file, fault.message) for fault in found] == [
        ("broken.morph", 'unknown kind "strata"'),
        ("strata/r1.morph", "strata depend on each other: r1 → r2 → r1"),
        (
            "strata/right.morph",
            'chunk "same" is defined differently in the strata left and right',
        ),
        ("strata/turning.morph", "chunks depend on each other: p → q → p"),
        ("strata/turning.morph", 'no file "gone.morph"'),
        ("systems/demo.morph", 'no split rule of stratum "turning" makes the artifact "turning-nothing"'),
    ]


def test_what_cannot_be_expanded_is_no_reason_to_stop() -> None:
    base = stratum("base", [chunk("a", "nothing"), chunk("b", build_system="no-such")])
    definitions = {**files(system("base", "missing"), base), "DEFAULTS": {"build-systems": 3}}
    found = [(fault.place.file, fault.message) for fault in faults_of(tree(definitions))]
    assert [file for file, _ in found] == [
        "DEFAULTS",
        "strata/base.morph",
        "strata/base.morph",
        "systems/demo.morph",
    ]


def test_bootstrap_alone_makes_no_classic_system() -> None:
    one = stratum("s", [chunk("a", build_mode="bootstrap")])
    assert [fault.message for fault in faults_of(tree(files(system("s"), one), version=3))] == [
        "No non-bootstrap chunks found"
    ]
