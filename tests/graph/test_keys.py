"""What changes a key and what does not: issue-proof laws of :mod:`lithify.graph.inputs`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lithify.definitions.builtin import MODERN
from lithify.errors import Place, Unpinned
from lithify.graph.canonical import canonical
from lithify.graph.inputs import recipe
from lithify.graph.keys import Keys, Unresolved, build_key, definition_keys
from lithify.graph.model import (
    Chunk,
    ContentDigest,
    DeviceNode,
    Integration,
    Licensing,
    Resources,
    SplitRule,
    StagedGroup,
    System,
)
from lithify.graph.resolve import resolve
from tests.graph.golden_cases import known, pins_of
from tests.graph.trees import COMMIT, chunk, files, stratum, system, tree

OTHER_COMMIT = "f" * 40


def keys_of(definitions: Mapping[str, Any], *, version: int = 9) -> Keys:
    graph = resolve(tree(definitions, version=version), "systems/demo.morph")
    assert not [fault for fault in graph.faults if fault.severity == "error"]
    return definition_keys(graph, pins_of(graph))


def demo_files() -> dict[str, Any]:
    """Return a tree with a bit of everything; ``zlib`` is what is changed, ``ssh`` and ``app`` depend on it."""
    base = stratum(
        "base", [chunk("stage1", build_mode="bootstrap"), chunk("libc", "stage1"), chunk("bash", "libc")]
    )
    zlib = chunk("zlib", build_system="manual", install_commands=["make install"], unpetrify_ref="v1.2")
    filed = {"name": "filed", "kind": "chunk", "build-system": "manual", "build-commands": ["make"]}
    lib = stratum(
        "lib",
        [zlib, chunk("ssh", "zlib"), chunk("aside"), chunk("filed", morph="strata/filed.morph")],
        "base",
    )
    app = stratum("app", [chunk("app")], "lib")
    demo = system({"name": "lib", "morph": "strata/lib.morph"}, "app")
    return {**files(demo, base, lib, app), "strata/filed.morph": filed}


def zlib_of(definitions: Mapping[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = definitions["strata/lib.morph"]["chunks"][0]
    return entry


def changed_keys(change: Callable[[dict[str, Any]], object]) -> set[str]:
    """Return the chunks (and ``system``) that have another key after a change of the tree."""
    before, after = demo_files(), demo_files()
    change(after)
    old, new = keys_of(before), keys_of(after)
    changed = {
        name for name in old.chunk.keys() | new.chunk.keys() if old.chunk.get(name) != new.chunk.get(name)
    }
    return changed | ({"system"} if old.system != new.system else set())


def _set(field: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda definitions: zlib_of(definitions).update({field: value})


REAL = {
    "commit": _set("ref", OTHER_COMMIT),
    "a command": _set("install-commands", ["make install", "true"]),
    "a command's split": _set("install-commands", ["make", "install"]),
    "the step of a command": lambda d: zlib_of(d).update(
        {"build-commands": zlib_of(d).pop("install-commands")}
    ),
    "text or bytes": _set("install-commands", [b"make install"]),
    "prefix": _set("prefix", "/opt"),
    "build-mode": _set("build-mode", "test"),
    "max-jobs": _set("max-jobs", 1),
    "environment": _set("environment", {"CFLAGS": ""}),
    "keep-git": _set("keep-git", True),
    "compiler-cache": _set("compiler-cache", True),
    "products": _set("products", [{"artifact": "zlib-libs", "include": ["lib/.*"]}]),
    "integration": _set("system-integration", {"zlib-libs": {"00": ["ldconfig"]}}),
    "devices": _set(
        "devices",
        [{"type": "c", "filename": "x", "permissions": "0600", "major": 1, "minor": 2, "uid": 0, "gid": 0}],
    ),
    "import": lambda d: (zlib_of(d).update({"build-system": "import"}), zlib_of(d).pop("install-commands")),
    "a dependency": _set("build-depends", ["aside"]),
    "into": lambda d: zlib_of(d).update(
        {
            "sources": [
                {"kind": "git", "url": zlib_of(d).pop("repo"), "ref": zlib_of(d).pop("ref"), "into": "x"}
            ]
        }
    ),
}


@pytest.mark.parametrize("change", REAL.values(), ids=REAL)
def test_any_real_input_changes_the_key_and_those_of_all_that_depend_on_it(
    change: Callable[[dict[str, Any]], object],
) -> None:
    assert changed_keys(change) == {"zlib", "ssh", "app", "system"}


def _rename_stratum(definitions: dict[str, Any]) -> None:
    definitions["strata/base.morph"]["name"] = "other"


def _move_files(definitions: dict[str, Any]) -> None:
    definitions["elsewhere/filed.morph"] = definitions.pop("strata/filed.morph")
    definitions["strata/lib.morph"]["chunks"][3]["morph"] = "elsewhere/filed.morph"
    definitions["base.morph"] = definitions.pop("strata/base.morph")
    definitions["strata/lib.morph"]["build-depends"] = [{"morph": "base"}]


def _describe(definitions: dict[str, Any]) -> None:
    for definition in definitions.values():
        definition["description"] = "Words"
    for entry in definitions["strata/lib.morph"]["chunks"][:3]:
        entry["description"] = "Words"


FACTS = {"licence": "Zlib", "purl": "pkg:generic/zlib", "cpe": "cpe:2.3:a", "homepage": "https://zlib.net"}
UNREAL = {
    "descriptions": _describe,
    "facts": lambda d: zlib_of(d).update(FACTS),
    "unpetrify-ref": _set("unpetrify-ref", "v1.3"),
    "resources": _set("resources", {"memory": "2G", "jobs": 4}),
    "timeout": _set("timeout", 60),
    "file names": _move_files,
    "the name of a stratum that is only built upon": _rename_stratum,
    "where the source comes from": _set("repo", "https://example.org/zlib"),
    "a dependency named twice": lambda d: d["strata/lib.morph"]["chunks"][1].update(
        {"build-depends": ["zlib", "zlib"]}
    ),
    "a default said aloud": _set("prefix", "/usr"),
    "a build system that leaves nothing of its own": lambda d: (
        d.update(DEFAULTS="build-systems: {mine: {}}") or zlib_of(d).update({"build-system": "mine"})
    ),
    "extensions of the deployment": lambda d: d["systems/demo.morph"].update(
        {"configuration-extensions": ["x"]}
    ),
}


@pytest.mark.parametrize("change", UNREAL.values(), ids=UNREAL)
def test_nothing_else_changes_any_key(change: Callable[[dict[str, Any]], object]) -> None:
    assert changed_keys(change) == set()


def _listed_in_another_order(definitions: dict[str, Any]) -> None:
    chunks = definitions["strata/lib.morph"]["chunks"]
    chunks[1], chunks[2] = chunks[2], chunks[1]


PLACE = {
    "a chunk more in a stratum": (
        lambda d: d["strata/lib.morph"]["chunks"].append(chunk("more")),
        {"more", "app", "system"},
    ),
    "the order of a stratum's chunks": (_listed_in_another_order, {"app", "system"}),
    "a stratum more below": (
        lambda d: d["strata/app.morph"]["build-depends"].append({"morph": "strata/base.morph"}),
        {"app", "system"},
    ),
    "the name of a stratum in the system": (
        lambda d: d["strata/app.morph"].update(name="apps"),
        {"system"},
    ),
    "which artifacts are selected": (
        lambda d: d["systems/demo.morph"]["strata"][0].update(artifacts=["lib-runtime"]),
        {"system"},
    ),
    "the order of a system's strata": (lambda d: d["systems/demo.morph"]["strata"].reverse(), {"system"}),
    "what overlaps mean": (lambda d: d["systems/demo.morph"].update(overlaps="refuse"), {"system"}),
    "os-release": (lambda d: d["systems/demo.morph"].update({"os-release": {"NAME": "x"}}), {"system"}),
    "classic os-release": (
        lambda d: d["systems/demo.morph"].update({"classic-os-release": True}),
        {"system"},
    ),
    "the system's name": (lambda d: d["systems/demo.morph"].update(name="other"), {"system"}),
    "the architecture": (
        lambda d: d["systems/demo.morph"].update(arch="ppc64"),
        {"stage1", "libc", "bash", "zlib", "ssh", "aside", "filed", "app", "system"},
    ),
}


@pytest.mark.parametrize(("change", "expected"), PLACE.values(), ids=PLACE)
def test_what_is_said_of_strata_and_system_changes_what_it_concerns(
    change: Callable[[dict[str, Any]], object], expected: set[str]
) -> None:
    assert changed_keys(change) == expected


def _shuffled(data: st.DataObject, value: Any) -> Any:
    if isinstance(value, dict):
        items = data.draw(st.permutations(list(value.items())))
        return {name: _shuffled(data, item) for name, item in items}
    return [_shuffled(data, item) for item in value] if isinstance(value, list) else value


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_the_order_of_mappings_never_matters(data: st.DataObject) -> None:
    definitions = demo_files()
    zlib_of(definitions).update(
        {
            "environment": {"A": "1", "B": "2"},
            "system-integration": {"zlib-libs": {"00": ["a"], "01": ["b"]}, "zlib-misc": {"00": ["c"]}},
            "artifacts": {"zlib-libs": "lib-special", "zlib-misc": "lib-other"},
        }
    )
    definitions["systems/demo.morph"].update(
        {"overlaps": {"usr/**": "allow", "etc/*": "refuse"}, "os-release": {"NAME": "x", "ID": "y"}}
    )
    one, other = keys_of(definitions), keys_of(_shuffled(data, definitions))
    assert (one.chunk, one.system, one.stratum_artifact) == (
        other.chunk,
        other.system,
        other.stratum_artifact,
    )


def test_the_order_in_which_dependencies_are_named_does_not_matter() -> None:
    chunks = [chunk("a", prefix="/a"), chunk("b", prefix="/b")]
    one, other = (stratum("s", [*chunks, chunk("top", *names)]) for names in (("a", "b"), ("b", "a")))
    assert keys_of(files(system("s"), one)).chunk == keys_of(files(system("s"), other)).chunk


def test_comments_and_layout_do_not_matter() -> None:
    text = "name: s\nkind: stratum\nbuild-depends: []\nchunks:\n- {name: a, repo: x, ref: y, build-system: make}\n"
    other = "# Words\n" + text.replace("[]", "[ ] # none").replace("{name: a, ", "{\n    name: 'a', ")
    demo = {"systems/demo.morph": system("s")}
    assert (
        keys_of({**demo, "strata/s.morph": text}).system == keys_of({**demo, "strata/s.morph": other}).system
    )


def test_a_tree_of_format_8_becomes_format_9_without_a_chunk_to_build() -> None:
    base = stratum("s", [chunk("a", build_mode="bootstrap"), chunk("b", "a")])
    rules = {
        "chunk": [{"artifact": rule.artifact, "include": list(rule.include)} for rule in MODERN.chunk_rules],
        "stratum": [
            {"artifact": rule.artifact, "include": list(rule.include)} for rule in MODERN.stratum_rules
        ],
    }
    defaults = {"build-systems": {"autotools": {"build-commands": ["make"]}}, "split-rules": rules}
    definitions = {**files(system("s"), base), "DEFAULTS": defaults}
    eight, nine = keys_of(definitions, version=8), keys_of(definitions, version=9)
    assert eight.chunk == nine.chunk
    assert eight.stratum_artifact == nine.stratum_artifact
    assert eight.system != nine.system  # its .meta files have other fields


def test_where_nothing_is_known_of_a_source_all_else_has_its_key() -> None:
    definitions = demo_files()
    zlib_of(definitions)["ref"] = "main"
    graph = resolve(tree(definitions), "systems/demo.morph")
    pins = {source: pin for source, pin in pins_of(graph).items() if getattr(source, "ref", None) != "main"}
    keys = definition_keys(graph, pins)
    missing = Unresolved(reason="not pinned: git ref=main url=upstream:zlib", origin="zlib")
    assert {name for name, key in keys.chunk.items() if key == missing} == {"zlib", "ssh", "app"}
    assert keys.system == missing
    assert keys.chunk["bash"] == keys_of(demo_files()).chunk["bash"]
    assert (
        keys.stratum_artifact["base", "base-runtime"]
        == keys_of(demo_files()).stratum_artifact["base", "base-runtime"]
    )
    assert isinstance(keys.stratum_artifact["lib", "lib-runtime"], Unresolved)
    for kind, name in (("chunk", "zlib"), ("chunk", "ssh"), ("system", "demo"), ("stratum", "lib-runtime")):
        with pytest.raises(Unpinned, match="zlib: not pinned"):
            keys.inputs(kind, name)  # type: ignore[arg-type]
    with pytest.raises(KeyError):
        keys.inputs("stratum", "no-such")


def test_a_chunk_that_cannot_be_known_says_why() -> None:
    entry = {"name": "a", "repo": "x", "ref": COMMIT}
    one = stratum("s", [chunk("boot", build_mode="bootstrap"), entry, chunk("b", "a")])
    graph = resolve(tree(files(system("s"), one), version=1), "systems/demo.morph")
    key = definition_keys(graph, pins_of(graph)).chunk["b"]
    assert key == Unresolved(reason="only its source can tell how it is built", origin="a")


# Build keys


def built(keys: Keys, name: str, *, tree: str = "t", host: str = "h", **content: str) -> str:
    digests = {other: ContentDigest(content.get(other, "same")) for other in keys.graph.chunks}
    return build_key(keys.chunk_build_inputs(name, tree=tree, content=digests, host=host))


def test_a_build_key_takes_content_in_place_of_definitions() -> None:
    one, other = demo_files(), demo_files()
    zlib_of(other).update({"ref": OTHER_COMMIT, "install-commands": ["make -s install"]})
    before, after = keys_of(one), keys_of(other)
    assert before.chunk["ssh"] != after.chunk["ssh"]
    assert built(before, "ssh") == built(after, "ssh")
    assert built(before, "app") == built(after, "app")
    assert built(before, "zlib") != built(after, "zlib")
    assert built(after, "zlib", tree="t") != built(after, "zlib", tree="u")
    assert built(before, "app", ssh="other") != built(before, "app")
    assert built(before, "app", zlib="other", ssh="x") != built(before, "app", zlib="x", ssh="other")


def test_what_is_not_staged_is_in_no_build_key() -> None:
    keys = keys_of(demo_files())
    assert built(keys, "app", stage1="other") == built(keys, "app")
    assert built(keys, "libc", stage1="other") != built(keys, "libc")
    assert built(keys, "ssh", aside="other") == built(keys, "ssh")
    assert built(keys, "ssh", bash="other") != built(keys, "ssh")


def test_the_host_counts_only_where_its_tools_build() -> None:
    keys = keys_of(demo_files())
    assert built(keys, "stage1", host="a") != built(keys, "stage1", host="b")
    assert built(keys, "libc", host="a") == built(keys, "libc", host="b")


def test_the_commit_counts_in_a_build_key_only_where_git_is_kept() -> None:
    for keep, same in ((False, True), (True, False)):
        one, other = demo_files(), demo_files()
        zlib_of(one)["keep-git"] = zlib_of(other)["keep-git"] = keep
        zlib_of(other)["ref"] = OTHER_COMMIT
        assert (built(keys_of(one), "zlib") == built(keys_of(other), "zlib")) is same


def system_key(keys: Keys, **content: str) -> str:
    parts = {
        (item.chunk, item.artifact): ContentDigest(content.get(item.chunk, "same"))
        for item in keys.graph.system.selected
    }
    return build_key(keys.system_build_inputs(content=parts))


def test_a_systems_build_key_takes_the_content_of_what_is_selected() -> None:
    one, other = demo_files(), demo_files()
    zlib_of(other)["ref"] = OTHER_COMMIT
    before, after = keys_of(one), keys_of(other)
    assert system_key(before) == system_key(after)
    assert system_key(before, zlib="other") != system_key(before)
    assert system_key(before, libc="other") == system_key(before)
    for field, value in (
        ("overlaps", "refuse"),
        ("os-release", {"NAME": "x"}),
        ("arch", "ppc64"),
        ("name", "other"),
        ("classic-os-release", True),
    ):
        changed = demo_files()
        changed["systems/demo.morph"][field] = value
        assert system_key(keys_of(changed)) != system_key(before), field
    integrated = demo_files()
    zlib_of(integrated)["system-integration"] = {"zlib-libs": {"00": ["ldconfig"]}}
    assert system_key(keys_of(integrated)) != system_key(before)


def test_a_classic_image_names_commits_so_they_are_in_its_build_key() -> None:
    base = stratum("s", [chunk("a", build_mode="bootstrap"), chunk("zlib")])
    one = files(system("s"), base)
    other = copy.deepcopy(one)
    other["strata/s.morph"]["chunks"][1]["ref"] = OTHER_COMMIT
    moved = copy.deepcopy(one)
    moved["strata/s.morph"]["chunks"][1]["repo"] = "https://example.org/zlib"
    keys = [keys_of(definitions, version=5) for definitions in (one, other, moved)]
    assert len({system_key(each) for each in keys}) == 3
    assert keys[0].chunk == keys[2].chunk


# Every field of the model counts, or is known not to

COUNTS: Mapping[str, object] = {
    "name": "other",
    "arch": "ppc64",
    "build_mode": "bootstrap",
    "prefix": "/opt",
    "build_system": "import",
    "commands": (("build", ("other",)),),
    "environment": (("A", "b"),),
    "max_jobs": 3,
    "split_rules": (SplitRule(artifact="a", include=("x",)),),
    "integration": (Integration(artifact="a", prefix="00", commands=("x",)),),
    "devices": (DeviceNode(filename="x", type="b", mode=1, major=2, minor=3, uid=4, gid=5),),
    "keep_git": True,
    "compiler_cache": True,
}
BY_THEIR_KEYS = {"sources", "workspace", "build_depends", "stratum_depends"}
DOES_NOT_COUNT: Mapping[str, object] = {
    "stratum": "other",
    "file": "other.morph",
    "place": Place("other"),
    "unresolved": "x",
    "resources": Resources(memory=1, jobs=2),
    "timeout": 3.0,
    "licensing": Licensing(licence="x", purl="y", cpe="z", homepage="h", description="d"),
    "faults": (),
}
PLAIN = Chunk(name="a", stratum="s", file="a.morph", place=Place("s.morph"), arch="x86_64")


words = st.sampled_from(["", "a", "b", "ab", "/usr", "1"])
lists = st.lists(words, max_size=2).map(tuple)
recipes = st.builds(
    replace,
    st.just(PLAIN),
    name=st.sampled_from(["a", "b"]),
    build_mode=st.sampled_from(["staging", "bootstrap", "test"]),
    prefix=words,
    build_system=st.sampled_from(["manual", "import"]),
    commands=st.dictionaries(st.sampled_from(["build", "install"]), lists).map(
        lambda d: tuple(sorted(d.items()))
    ),
    environment=st.dictionaries(st.sampled_from(["A", "B"]), words).map(lambda d: tuple(sorted(d.items()))),
    max_jobs=st.sampled_from([None, 1, 2]),
    split_rules=st.lists(st.builds(SplitRule, artifact=words, include=lists), max_size=2).map(tuple),
    integration=st.lists(
        st.builds(Integration, artifact=words, prefix=words, commands=lists), max_size=2
    ).map(tuple),
    keep_git=st.booleans(),
    compiler_cache=st.booleans(),
)


@settings(deadline=None)
@given(recipes, recipes)
def test_equal_recipes_are_equal_chunks(one: Chunk, other: Chunk) -> None:
    assert (canonical(recipe(one, ())) == canonical(recipe(other, ()))) == (one == other)


def test_every_field_of_a_chunk_is_known_to_count_or_not() -> None:
    fields = set(Chunk.__struct_fields__)
    assert fields == COUNTS.keys() | BY_THEIR_KEYS | DOES_NOT_COUNT.keys()


@pytest.mark.parametrize(("field", "value"), [*COUNTS.items(), *DOES_NOT_COUNT.items()])
def test_a_field_of_a_chunk_counts_as_it_should(field: str, value: object) -> None:
    changed = replace(PLAIN, **{field: value})  # type: ignore[arg-type]
    assert (recipe(changed, ()) != recipe(PLAIN, ())) == (field in COUNTS)


@pytest.mark.parametrize("field", list(DeviceNode.__struct_fields__))
def test_every_field_of_a_device_counts(field: str) -> None:
    device = DeviceNode(filename="x", type="c", mode=1, major=2, minor=3, uid=4, gid=5)
    other = replace(device, **{field: {"filename": "y", "type": "b"}.get(field, 99)})  # type: ignore[arg-type]
    one, two = (replace(PLAIN, devices=(each,)) for each in (device, other))
    assert recipe(one, ()) != recipe(two, ())


def test_prefixes_of_dependencies_count() -> None:
    assert recipe(PLAIN, ("/opt",)) != recipe(PLAIN, ())
    assert recipe(PLAIN, ("/a", "/b")) != recipe(PLAIN, ("/b", "/a"))


def test_every_field_of_a_system_is_known_to_count_or_not() -> None:
    counts = {"name", "arch", "selected", "stratum_artifacts", "overlaps", "os_release", "classic_os_release"}
    does_not = {"file", "place", "strata", "configuration_extensions", "description"}
    assert set(System.__struct_fields__) == counts | does_not


# What morph's own keys mixed up


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"build_commands": ["b", "cd"]}, {"build_commands": ["bc", "d"]}),
        ({"build_commands": ["a", "b"]}, {"build_commands": ["a"], "install_commands": ["b"]}),
        ({"build_commands": ["x"], "max_jobs": 1}, {"build_commands": ["x1"]}),
        ({"build_commands": ["1"]}, {"build_commands": [b"1"]}),
        ({"prefix": "/usr", "build_commands": ["tree"]}, {"prefix": "/usrtree", "build_commands": []}),
        (
            {"products": [{"artifact": "x-a", "include": ["b", "cd"]}]},
            {"products": [{"artifact": "x-a", "include": ["bc", "d"]}]},
        ),
    ],
)
def test_different_inputs_have_different_keys(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = (
        keys_of(files(system("s"), stratum("s", [chunk("x", **{"build_system": "manual", **fields})]))).chunk[
            "x"
        ]
        for fields in (one, other)
    )
    assert known(first) != known(second)


def test_a_command_of_any_text_has_a_key() -> None:
    one = stratum("s", [chunk("x", build_system="manual", build_commands=["echo ü ☃", b"\xff\xfe"])])
    known(keys_of(files(system("s"), one)).chunk["x"])


def test_groups_keep_apart_what_stands_in_them() -> None:
    """Two layers of one stratum, or one each of two: the layers are the same, so this only has to be certain."""
    keys = keys_of(demo_files())
    assert keys.staged("app") == (
        StagedGroup(stratum="base", chunks=("libc", "bash")),
        StagedGroup(stratum="lib", chunks=("zlib", "ssh", "aside", "filed")),
    )
    expanded = keys.expanded("chunk", "app")
    assert [group[0] for group in expanded["groups"]] == ["lib"]  # type: ignore[index,union-attr]
