from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lithify.graph.canonical import canonical
from lithify.graph.explain import Difference, causes, differences, records_between
from lithify.graph.keys import Keys, definition_keys
from lithify.graph.model import ContentDigest
from lithify.graph.pins import Pin
from lithify.graph.resolve import resolve
from tests.graph.golden_cases import pins_of
from tests.graph.trees import chunk, files, stratum, system, tree


def keys_of(definitions: Mapping[str, Any], *, version: int = 9) -> Keys:
    graph = resolve(tree(definitions, version=version), "systems/demo.morph")
    return definition_keys(graph, pins_of(graph))


def small() -> dict[str, Any]:
    base = stratum("base", [chunk("libc"), chunk("bash", "libc")])
    lib = stratum("lib", [chunk("zlib"), chunk("ssh", "zlib"), chunk("aside")], "base")
    app = stratum("app", [chunk("one"), chunk("two", "one")], "lib")
    return files(system("lib", "app"), base, lib, app)


def entry(definitions: Mapping[str, Any], name: str) -> dict[str, Any]:
    for content in definitions.values():
        for one in content.get("chunks", ()):
            if one["name"] == name:
                found: dict[str, Any] = one
                return found
    raise KeyError(name)


def explained(
    old: Mapping[str, Any], new: Mapping[str, Any], *, version: int = 9
) -> dict[str, tuple[list[str], list[str]]]:
    """Return each cause: name → (its inputs, its followers)."""
    found = causes(records_between(keys_of(old, version=version), keys_of(new, version=version)))
    return {one.name: ([each.input for each in one.differences], list(one.followers)) for one in found}


def test_one_input_old_and_new() -> None:
    old, new = small(), small()
    entry(new, "zlib")["ref"] = "f" * 40
    (cause,) = causes(records_between(keys_of(old), keys_of(new)))
    assert cause.name == "zlib"
    assert cause.differences == (
        Difference(input="sources.0.pin.commit", old=entry(old, "zlib")["ref"], new="f" * 40, cause=True),
    )
    assert cause.followers == ("ssh", "one", "two", "demo")


def test_what_follows_is_told_from_what_was_changed() -> None:
    old, new = keys_of(small()), small()
    entry(new, "zlib")["max-jobs"] = 1
    entry(new, "two")["environment"] = {"A": "b"}
    after = keys_of(new)
    found = differences(old.expanded("chunk", "two"), after.expanded("chunk", "two"))
    assert [(one.input, one.cause, one.subject) for one in found] == [
        ("environment.A", True, ""),
        ("depends.one", False, "one"),
        ("strata.lib.ssh", False, "ssh"),
        ("strata.lib.zlib", False, "zlib"),
        ("variables.A", False, ""),
    ]
    assert explained(small(), new) == {
        "zlib": (["max-jobs"], ["ssh", "one", "demo"]),
        "two": (["environment.A"], ["demo"]),
    }


def test_a_prefix_changes_the_path_of_others_and_is_one_cause() -> None:
    new = small()
    entry(new, "zlib")["prefix"] = "/opt"
    assert explained(small(), new) == {"zlib": (["prefix"], ["ssh", "one", "two", "demo"])}


def test_two_hundred_dependents_are_one_cause() -> None:
    def definitions(command: str) -> dict[str, Any]:
        many = [chunk(f"c{number}", "zlib") for number in range(200)]
        zlib = chunk("zlib", build_system="manual", build_commands=[command])
        return files(system("s", "top"), stratum("s", [zlib, *many]), stratum("top", [chunk("t")], "s"))

    found = explained(definitions("make"), definitions("make -s"))
    assert found.keys() == {"zlib"}
    assert found["zlib"][0] == ["commands.build"]
    assert len(found["zlib"][1]) == 202


def test_a_new_chunk_in_a_stratum_is_one_cause() -> None:
    new = small()
    new["strata/lib.morph"]["chunks"].append(chunk("more"))
    assert explained(small(), new) == {"more": (["name"], ["one", "two", "demo"])}
    assert explained(new, small()) == {"more": (["name"], ["one", "two", "demo"])}


def test_split_rules_of_a_chunk_explain_what_is_selected() -> None:
    new = small()
    entry(new, "aside")["products"] = [{"artifact": "aside-extra", "include": ["x"]}]
    assert explained(small(), new) == {"aside": (["split-rules"], ["one", "two", "demo"])}


def test_a_build_mode_explains_that_a_chunk_leaves_the_strata_above() -> None:
    new = small()
    entry(new, "aside")["build-mode"] = "bootstrap"
    assert explained(small(), new) == {"aside": (["build-mode"], ["one", "two", "demo"])}


def test_order_selection_and_edges_are_causes_where_they_stand() -> None:
    reordered = small()
    reordered["strata/lib.morph"]["chunks"].reverse()
    assert explained(small(), reordered) == {"stratum lib": (["strata.lib.order"], ["one", "two", "demo"])}
    reordered = small()
    reordered["strata/app.morph"]["chunks"].reverse()
    assert explained(small(), reordered) == {"stratum app": (["selected.app.order"], ["demo"])}
    selected = small()
    selected["systems/demo.morph"]["strata"][0]["artifacts"] = ["lib-runtime"]
    ((name, (inputs, followers)),) = explained(small(), selected).items()
    assert (name, followers) == ("demo", [])
    assert "selected.lib.zlib-devel" in inputs
    edge = small()
    entry(edge, "two")["build-depends"] = []
    assert explained(small(), edge) == {"two": (["depends.one"], ["demo"])}
    below = small()
    below["strata/app.morph"]["build-depends"] = [{"morph": "strata/base.morph"}]
    assert explained(small(), below) == {
        "stratum app": (["strata.base", "strata.lib"], ["one", "two", "demo"])
    }


def test_a_chunk_that_moved_to_another_stratum_is_a_change_of_both() -> None:
    new = small()
    moved = new["strata/lib.morph"]["chunks"].pop()
    new["strata/base.morph"]["chunks"].append(moved)
    found = explained(small(), new)
    assert found["stratum lib"] == (["strata.lib.aside"], ["one", "two", "demo"])
    assert found["stratum base"] == (["strata.base.aside"], ["zlib", "ssh", "one", "two", "demo"])
    assert found["aside"][0] == ["strata.base"]


def test_a_renamed_stratum_below_is_no_change_of_a_chunk() -> None:
    new = small()
    new["strata/base.morph"]["name"] = "ground"
    assert explained(small(), new) == {}


def test_a_url_alone_changes_a_classic_system_and_a_moved_commit_is_no_second_cause() -> None:
    def definitions(**fields: str) -> dict[str, Any]:
        one = stratum("s", [chunk("boot", build_mode="bootstrap"), {**chunk("a"), **fields}])
        return files(system("s"), one)

    moved = explained(definitions(), definitions(repo="https://example.org/a"), version=5)
    assert moved == {"demo": (["sources.a"], [])}
    changed = explained(definitions(), definitions(ref="f" * 40), version=5)
    assert changed == {"a": (["sources.0.pin.commit"], ["demo"])}


def test_records_that_were_kept_as_json_explain_as_well() -> None:
    new = small()
    entry(new, "zlib")["devices"] = [
        {"type": "c", "filename": "x", "permissions": "0600", "major": 1, "minor": 2, "uid": 0, "gid": 0}
    ]
    kept = json.loads(canonical(keys_of(small()).expanded("chunk", "zlib")))
    found = differences(kept, keys_of(new).expanded("chunk", "zlib"))
    assert [one.input for one in found] == [f"devices.0.{field}" for field in sorted(DEVICE)]
    assert differences(kept, kept) == ()


DEVICE = ("filename", "type", "mode", "major", "minor", "uid", "gid")


def test_a_build_key_is_explained_by_content() -> None:
    keys = keys_of(small())
    content = {name: ContentDigest(64 * "a") for name in keys.graph.chunks}
    other = {**content, "zlib": ContentDigest(64 * "b")}
    records = []
    for tree_digest, digests in (("t", content), ("u", other)):
        inputs = keys.chunk_build_inputs("one", tree=tree_digest, content=digests)
        records.append(keys.expanded_build(inputs, "one", digests))
    assert differences(*records) == (
        Difference(input="tree", old="t", new="u", cause=True),
        Difference(input="staged.lib.zlib", old="a" * 16, new="b" * 16, cause=False, subject="zlib"),
    )


def test_where_only_lithify_changed_its_own_variables_are_the_cause() -> None:
    record = json.loads(canonical(keys_of(small()).expanded("chunk", "zlib")))
    other = copy.deepcopy(record)
    other["inputs"]["variables"]["TERM"] = "vt100"
    assert [(one.input, one.cause) for one in differences(other, record)] == [("variables.TERM", True)]


# Change k inputs at random: why names those k

Change = tuple[str, str, Callable[[dict[str, Any]], object]]

CHUNKS = ("libc", "bash", "zlib", "ssh", "aside", "one", "two")
FIELDS: Mapping[str, tuple[str, object]] = {
    "commands.build": ("build-commands", ["other"]),
    "environment.NEW": ("environment", {"NEW": "x"}),
    "max-jobs": ("max-jobs", 7),
    "prefix": ("prefix", "/elsewhere"),
    "keep-git": ("keep-git", True),
    "compiler-cache": ("compiler-cache", True),
    "sources.0.pin.commit": ("ref", "f" * 40),
    "split-rules": ("products", [{"artifact": "extra", "include": ["extra/.*"]}]),
    "integration": ("system-integration", {"%s-libs": {"00": ["x"]}}),
}


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from(CHUNKS), st.sets(st.sampled_from(sorted(FIELDS)), min_size=1), max_size=5)
)
def test_why_names_exactly_what_was_changed(changes: dict[str, set[str]]) -> None:
    old, new = small(), small()
    for definitions in (old, new):
        for name in CHUNKS:
            entry(definitions, name).update({"build-system": "manual", "build-commands": ["make"]})
    for name, inputs in changes.items():
        for one in inputs:
            field, value = FIELDS[one]
            if field == "products":
                value = [{"artifact": f"{name}-extra", "include": ["extra/.*"]}]
            if field == "system-integration":
                value = {f"{name}-libs": {"00": ["x"]}}
            entry(new, name)[field] = value
    found = explained(old, new)
    assert {name: set(inputs) for name, (inputs, _) in found.items()} == changes
    everything = set(CHUNKS) | {"demo"}
    before, after = keys_of(old), keys_of(new)
    another = {name for name in CHUNKS if before.chunk[name] != after.chunk[name]}
    followers = {name for _, following in found.values() for name in following}
    assert another - changes.keys() == followers - {"demo"}
    assert followers <= everything - changes.keys()


def test_a_source_that_was_pinned_anew_is_named() -> None:
    definitions = small()
    entry(definitions, "zlib")["sources"] = [{"kind": "archive", "url": "https://example.org/z"}]
    for field in ("repo", "ref"):
        del entry(definitions, "zlib")[field]
    graph = resolve(tree(definitions), "systems/demo.morph")
    pins = pins_of(graph)
    moved = {
        s: Pin(kind=s.kind, digest_data={"sha256": "x"}) if s.kind == "archive" else p
        for s, p in pins.items()
    }
    (cause,) = causes(records_between(definition_keys(graph, pins), definition_keys(graph, moved)))
    assert [(one.input, one.new) for one in cause.differences] == [("sources.0.pin.sha256", "x")]
