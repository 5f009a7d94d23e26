"""Files that are made to hurt: no traceback, no more than 2 s of processor and 500 MB of memory for one, nothing run."""

from __future__ import annotations

import random
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from lithify.definitions.builtin import MODERN
from lithify.definitions.checks import Language, check
from lithify.definitions.formats import FORMATS, Format
from lithify.definitions.loading import Loaded, load_file
from lithify.definitions.tree import load
from lithify.definitions.validation import validate
from lithify.errors import Fault
from tests.conftest import PROJECT
from tests.definitions.conftest import MakeTree
from tests.definitions.test_tree import SOUND

STRATUM = b"name: a\nkind: stratum\n"
CHUNK = b"name: a\nkind: chunk\n"
SYSTEM = b"name: a\nkind: system\narch: x86_64\nstrata: [{morph: x}]\n"
CLUSTER = b"name: a\nkind: cluster\n"
PRODUCT = CHUNK + b'products: [{artifact: x, include: ["%s"]}]'
MAPPING = b"{%s}"


def _fields(number: int, value: bytes = b"1") -> bytes:
    return b", ".join(b"k%d: %s" % (n, value) for n in range(number))


WORST: Mapping[str, Callable[[], bytes]] = {
    "items of a wrong type": lambda: STRATUM + b"chunks: [" + b"1," * 190_000 + b"1]",
    "empty mappings": lambda: STRATUM + b"chunks: [" + b"{}," * 190_000 + b"{}]",
    "mappings with unknown fields": lambda: STRATUM + b"chunks:\n" + b"- {name: a, x: 1}\n" * 45_000,
    "unknown build systems": lambda: (
        STRATUM + b"chunks:\n" + b"- {name: a, repo: x, ref: x, build-system: z}\n" * 19_000
    ),
    "unknown dependencies": lambda: (
        STRATUM
        + b"chunks: [{name: a, repo: x, ref: x, build-system: make, build-depends: ["
        + b"b," * 190_000
        + b"]}]"
    ),
    "fields": lambda: STRATUM + _fields(90_000).replace(b", ", b"\n"),
    "fields that stand twice": lambda: STRATUM + b"a: 1\n" * 300_000,
    "variables": lambda: CLUSTER + b"systems: [{morph: x, deploy: {a: {" + _fields(95_000) + b"}}}]",
    "variables of a wrong type": lambda: CHUNK + b"environment: {" + _fields(90_000, b"[]") + b"}",
    "integration of a wrong type": lambda: CHUNK + b"system-integration: {" + _fields(90_000, b"[]") + b"}",
    "commands of a wrong type": lambda: CHUNK + b"build-commands: [" + b"[]," * 190_000 + b"]",
    "commands": lambda: CHUNK + b"build-commands: [" + b"a," * 190_000 + b"a]",
    "blank names": lambda: SYSTEM + b"configuration-extensions: [" + b'"",' * 190_000 + b"]",
    "split rules without fields": lambda: CHUNK + b"products: [" + b"{}," * 90_000 + b"]",
    "sources of unknown kinds": lambda: CHUNK + b"sources: [" + b"{kind: x}," * 60_000 + b"]",
    "tags": lambda: STRATUM + b"x: [" + b"!x a," * 190_000 + b"]",
    "anchors": lambda: STRATUM + b"x: [" + b", ".join(b"&a%d b" % n for n in range(190_000)) + b"]",
    "aliases": lambda: STRATUM + b"y: &a b\nx: [" + b"*a," * 190_000 + b"]",
    "merges": lambda: STRATUM + b"z: &z {" + _fields(900) + b"}\nx: [" + b"{<<: *z}," * 100 + b"]",
    "a long text": lambda: STRATUM + b"description: " + b"x" * 4_190_000 + b"\nchunks: []",
    "a long number": lambda: STRATUM + b"description: " + b"1" * 4_190_000 + b"\nchunks: []",
    "a long number where one is wanted": lambda: CHUNK + b"max-jobs: " + b"1" * 4_190_000,
    "escapes": lambda: STRATUM + b'description: "' + b"\\x41" * 1_040_000 + b'"\n',
    "lines of a text": lambda: STRATUM + b"description: |\n" + b" a\n" * 1_300_000,
    "blank lines": lambda: b"\n" * 4_190_000,
    "comments": lambda: STRATUM + b"#\n" * 2_090_000 + b"chunks: []",
    "blanks": lambda: STRATUM + b"x:" + b" " * 4_190_000 + b"y",
    "question marks": lambda: b"? " * 2_090_000,
    "dashes": lambda: b"- " * 2_090_000,
    "brackets": lambda: b"[" * 4_190_000,
    "braces": lambda: b"{a: " * 1_040_000,
    "a long pattern": lambda: PRODUCT % (b"(a|b)*" * 600_000),
    "a deep pattern": lambda: PRODUCT % (b"(" * 20_000 + b")" * 20_000),
    "a multiplied pattern": lambda: PRODUCT % b"((((a{1,9999}){1,9999}){1,9999}){1,9999}){1,9999}",
    "patterns": lambda: (
        CHUNK
        + b"products: [{artifact: x, include: ["
        + b", ".join(b"'(%d)'" % n for n in range(190_000))
        + b"]}]"
    ),
}

CHILD = """
import resource, sys, time
from lithify.definitions.builtin import MODERN
from lithify.definitions.checks import Language, check
from lithify.definitions.formats import FORMATS
from lithify.definitions.loading import load_file
content = sys.stdin.buffer.read()
start = time.process_time()
loaded = load_file("x", content, FORMATS[9])
if loaded.legible is not None:
    check(loaded.legible, Language(FORMATS[9], frozenset(MODERN.build_systems)))
print(time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, len(loaded.faults))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", list(WORST))
def test_no_file_takes_long_or_much_memory(name: str) -> None:
    content = WORST[name]()
    assert len(content) < 4 * 1024 * 1024
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=content,
        capture_output=True,
        cwd=PROJECT,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    seconds, kilobytes, faults = done.stdout.split()
    assert float(seconds) < 2.0
    assert int(kilobytes) < 500 * 1024
    assert int(faults) <= 401


def _mutated(chance: random.Random, seeds: list[bytes]) -> bytes:
    """Return a definition with a few things broken in it."""
    content = bytearray(chance.choice(seeds))
    lines = content.split(b"\n")
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(content) + 1)
        match chance.randrange(9):
            case 0:
                content[at : at + chance.randint(1, 8)] = b""
            case 1:
                content[at:at] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 4)))
            case 2:
                content[at:at] = chance.choice(
                    [b"[", b"]", b"{", b"}", b": ", b"- ", b"*a", b"&a ", b"!!binary ", b"|\n"]
                )
            case 3:
                content[at:at] = chance.choice(
                    [b"\n", b"\t", b"~", b"<<: ", b"? ", b"'", b'"', b"%", b"---\n", b"#"]
                )
            case 4:
                content += chance.choice(lines) + b"\n"
            case 5:
                content[at : at + 1] = (
                    b"" if at >= len(content) else bytes([content[at] ^ (1 << chance.randrange(8))])
                )
            case 6:
                other = chance.choice(seeds)
                content[at:] = other[chance.randrange(len(other) + 1) :]
            case 7:
                value = chance.choice(
                    [b" 010", b" [x]", b" {a: b}", b" yes", b" ~", b" 12:30", b" !!x y", b" \xff"]
                )
                content = content.replace(b": ", b":" + value + b"\n", chance.randint(1, 2))
            case _:
                content = bytearray(b"\n".join(chance.sample(lines, len(lines))))
    return bytes(content)


_ODD: tuple[Any, ...] = (
    *(
        None,
        5,
        -1,
        1.5,
        True,
        "",
        "x",
        "../x",
        "/x",
        "-x",
        "a b",
        "ext::x",
        "(",
        "0644",
        b"\xff",
        "é\u2028",
        "x" * 300,
    ),
    *(
        [],
        {},
        [[]],
        [None],
        {"a": []},
        {"kind": "git"},
        {"morph": 5},
        [{"name": "a"}],
        {"url": None},
        {"": ""},
    ),
)


def _reshaped(chance: random.Random, data: Any) -> Any:
    """Return the data with one value of it, at any depth, made another, dropped or given another name."""
    if isinstance(data, dict) and data and chance.random() < 0.8:
        key = chance.choice(list(data))
        if chance.random() < 0.1:
            return {name: value for name, value in data.items() if name != key}
        if chance.random() < 0.1:
            return {(f"{name}s" if name == key else name): value for name, value in data.items()}
        return {**data, key: _reshaped(chance, data[key])}
    if isinstance(data, list) and data and chance.random() < 0.8:
        at = chance.randrange(len(data))
        return [*data[:at], _reshaped(chance, data[at]), *data[at + 1 :]]
    return chance.choice(_ODD)


def _misshapen(chance: random.Random, seeds: list[bytes]) -> bytes:
    """Return a definition that is sound YAML, and holds values where they should not be."""
    data = yaml.load(chance.choice(seeds), Loader=yaml.CSafeLoader)
    for _ in range(chance.randint(1, 3)):
        data = _reshaped(chance, data)
    return yaml.dump(data, Dumper=yaml.CSafeDumper, allow_unicode=True).encode()


def _sound(loaded: Loaded) -> None:
    assert loaded.file is not None or loaded.errors
    for fault in loaded.faults:
        _told(fault)


def _told(fault: Fault) -> None:
    assert fault.place.line >= 1
    assert fault.place.column >= 1
    assert fault.message.isprintable()
    assert fault.hint.isprintable()
    assert 0 < len(fault.message) < 300


def _checked(content: bytes, form: Format) -> None:
    loaded = load_file("x", content, form)
    _sound(loaded)
    if loaded.legible is not None:
        gone = None if loaded.remains is None else loaded.remains.gone
        for fault in check(loaded.legible, Language(form, frozenset(MODERN.build_systems)), gone):
            _told(fault)


def _fuzz(seeds: list[bytes], number: int) -> float:
    """Check so many broken definitions, and return the most seconds of processor that one took."""
    slowest = 0.0
    for seed in range(number):
        chance = random.Random(seed)
        content = (_mutated if seed % 2 else _misshapen)(chance, seeds)
        start = time.process_time()
        _checked(content, chance.choice(FORMATS))
        slowest = max(slowest, time.process_time() - start)
    return slowest


def _own_seeds() -> list[bytes]:
    seeds = [textwrap.dedent(text).encode() for name, text in SOUND.items() if name.endswith(".morph")]
    return seeds + [path.read_bytes() for path in sorted((PROJECT / "examples").rglob("*.morph"))]


def test_broken_definitions_give_faults() -> None:
    assert _fuzz(_own_seeds(), 1500) < 2.0


FUZZING = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (500 << 20, 500 << 20))
from pathlib import Path
from tests.definitions.test_hostile import _fuzz
seeds = [path.read_bytes() for root in sys.argv[2:] for path in sorted(Path(root).rglob("*.morph"))]
print(len(seeds), _fuzz(seeds, int(sys.argv[1])))
"""
"""With the interpreter and all that it imports, no file gets 500 MB."""


@pytest.mark.slow
def test_twenty_thousand_broken_definitions_give_faults(real_trees: Mapping[int, Path]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FUZZING, "20000", *map(str, real_trees.values())],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seeds, slowest = done.stdout.split()
    assert int(seeds) == 1868
    assert float(slowest) < 2.0


@pytest.mark.slow
def test_broken_trees_give_faults(tree: MakeTree) -> None:
    root = tree(SOUND)
    names = [path for path in sorted(root.rglob("*")) if path.is_file()]
    originals = {path: path.read_bytes() for path in names}
    seeds = list(originals.values())
    for seed in range(400):
        chance = random.Random(seed)
        broken = chance.sample(names, 2)
        for path in broken:
            path.write_bytes(_mutated(chance, seeds))
        for fault in validate(root):
            assert fault.message
        for path in broken:
            path.write_bytes(originals[path])


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "/etc/passwd",
        "a/../../x",
        "a\0b",
        "x" * 5000,
        "a/" * 3000,
        "-x",
        ".",
        "..",
        "",
        "a\nb",
        "\udcff",
    ],
)
def test_names_that_are_no_files(tree: MakeTree, name: str) -> None:
    definitions = load(tree(SOUND))
    loaded = definitions.loaded(name)
    assert loaded is None or loaded.errors
    assert not definitions.exists(name) or name in (".", "")


def test_patterns_that_python_warns_of_are_taken_silently() -> None:
    loaded = load_file("x", PRODUCT % b"[[a]x--y]", FORMATS[9])
    assert loaded.faults == ()
