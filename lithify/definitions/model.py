"""What the files of a definitions tree hold, as their authors wrote them: chunk, stratum, system, cluster, DEFAULTS.

Field by field this is the language's reference; which format read which field stands in
:mod:`lithify.definitions.formats`. Nothing is resolved here: a name is a name, and what was left out is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, PlainValidator, WithJsonSchema

from lithify.definitions.base import Definition, Reading, place_of
from lithify.definitions.cluster import ClusterFile, ClusterSystem, Deployment
from lithify.definitions.commands import Command
from lithify.definitions.frozen import FrozenMap
from lithify.definitions.patterns import Pattern
from lithify.definitions.scalars import (
    EMPTY,
    ArtifactName,
    Count,
    Description,
    Duration,
    Flag,
    InstalledPath,
    List,
    Map,
    Mode,
    Name,
    NonEmptyList,
    Path,
    Ref,
    Size,
    Text,
    Url,
    describe,
    wrong,
)
from lithify.definitions.source import (
    AnySource,
    ArchiveSource,
    DebianBinaries,
    DebianSourcePackage,
    GitSource,
    LocalSource,
    PatchSource,
    PypiSource,
    Source,
    Submodules,
)
from lithify.definitions.text import quoted

__all__ = [
    "STEPS",
    "ArchiveSource",
    "BuildSystem",
    "ChunkBody",
    "ChunkEntry",
    "ChunkFile",
    "ClusterFile",
    "ClusterSystem",
    "DebianBinaries",
    "DebianSourcePackage",
    "DefaultsFile",
    "Deployment",
    "Device",
    "GitSource",
    "LocalSource",
    "PatchSource",
    "Product",
    "PypiSource",
    "ResourceNeeds",
    "Source",
    "SplitRules",
    "StratumFile",
    "StratumReference",
    "StratumSelection",
    "SystemFile",
    "place_of",
]

STEPS = tuple(
    f"{hook}{step}"
    for step in ("configure", "build", "test", "install", "strip")
    for hook in ("pre-", "", "post-")
)
"""The fifteen steps of a chunk, in the order in which they run."""

Commands = List[Command] | None
"""Commands of a step; None: those of the build system."""


def _environment(variables: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in variables.items():
        if not name.isidentifier() or not name.isascii():
            raise wrong(f"has {quoted(name)}, which is no name of a variable", "letters, digits and _ only")
        if "\0" in value:
            raise wrong(f"has a NUL character in {name}")
    return variables


def _integration(
    artifacts: Mapping[str, Mapping[str, tuple[str | bytes, ...]]],
) -> Mapping[str, Mapping[str, tuple[str | bytes, ...]]]:
    for name in (*artifacts, *(prefix for steps in artifacts.values() for prefix in steps)):
        if not name or "/" in name or not name.isprintable():
            raise wrong(f"has {quoted(name)}, which cannot be part of a file name")
    return artifacts


class Product(Definition):
    """A split rule: what matches one of ``include`` belongs to ``artifact``."""

    kind_of_mapping: ClassVar[str] = "split rule"
    strict_fields: ClassVar[bool] = True

    artifact: ArtifactName
    """The whole name in ``products``, a suffix such as ``-libs`` in ``DEFAULTS``."""
    include: List[Pattern]


class Device(Definition):
    """A device node that a chunk installs."""

    kind_of_mapping: ClassVar[str] = "device"

    type: Literal["c", "b"]
    filename: InstalledPath
    permissions: Mode
    major: Count
    minor: Count
    uid: Count = 0
    gid: Count = 0


class ResourceNeeds(Definition):
    """What the scheduler reckons with; in no key."""

    kind_of_mapping: ClassVar[str] = "resources"

    memory: Size | None = None
    """Bytes."""
    jobs: Count | None = None


class ChunkBody(Definition):
    """How a chunk is built: the content of a chunk file, or of an entry of a stratum in format 9."""

    description: Description = ""
    build_system: Name | None = None
    sources: List[AnySource] = ()

    pre_configure_commands: Commands = None
    configure_commands: Commands = None
    post_configure_commands: Commands = None
    pre_build_commands: Commands = None
    build_commands: Commands = None
    post_build_commands: Commands = None
    pre_test_commands: Commands = None
    test_commands: Commands = None
    post_test_commands: Commands = None
    pre_install_commands: Commands = None
    install_commands: Commands = None
    post_install_commands: Commands = None
    pre_strip_commands: Commands = None
    strip_commands: Commands = None
    post_strip_commands: Commands = None

    max_jobs: Count | None = None
    products: List[Product] = ()
    system_integration: Annotated[Map[Map[List[Command]]], AfterValidator(_integration)] = EMPTY
    """Chunk artifact → prefix that orders → commands."""
    devices: List[Device] = ()

    environment: Annotated[Map[str], AfterValidator(_environment)] = EMPTY
    compiler_cache: Flag = False
    keep_git: Flag = False
    resources: ResourceNeeds = ResourceNeeds()
    timeout: Duration | None = None
    """Seconds that a step may take."""
    licence: Text | None = None
    """SPDX expression."""
    purl: Text | None = None
    cpe: Text | None = None
    homepage: Text | None = None

    @property
    def commands(self) -> Mapping[str, tuple[str | bytes, ...]]:
        """The steps that it gives commands for (maybe none: ``[]``), in order → those commands."""
        given = ((step, getattr(self, f"{step.replace('-', '_')}_commands")) for step in STEPS)
        return FrozenMap({step: commands for step, commands in given if commands is not None})


class ChunkFile(ChunkBody):
    """A file of kind chunk."""

    kind_of_mapping: ClassVar[str] = "chunk"
    strict_fields: ClassVar[bool] = True

    name: Name
    kind: Literal["chunk"] = "chunk"


class ChunkEntry(ChunkBody):
    """A chunk of a stratum."""

    kind_of_mapping: ClassVar[str] = "chunk entry"

    name: Name
    repo: Url | None = None
    ref: Ref | None = None
    morph: Path | None = None
    """The chunk file."""
    build_depends: List[Name] | None = None
    """Names of chunks of the same stratum; None: nothing was said."""
    build_mode: Literal["staging", "bootstrap", "test"] = "staging"
    prefix: Text = "/usr"
    artifacts: Map[Name] = EMPTY
    """Chunk artifact → stratum artifact."""
    unpetrify_ref: Description = ""
    """For people: the branch or tag that ``ref`` was."""
    submodules: Submodules = ()
    """(name, URL) that overrides ``.gitmodules``."""


class StratumReference(Definition):
    """A stratum that another one is built upon."""

    kind_of_mapping: ClassVar[str] = "stratum reference"

    morph: Path


class StratumFile(Definition):
    """A file of kind stratum: a set of chunks."""

    kind_of_mapping: ClassVar[str] = "stratum"
    strict_fields: ClassVar[bool] = True

    name: Name
    kind: Literal["stratum"] = "stratum"
    description: Description = ""
    build_depends: List[StratumReference] | None = None
    """None: nothing was said, as a stratum that begins with bootstrap chunks does."""
    chunks: List[ChunkEntry]
    products: List[Product] = ()
    """Stratum artifact ← patterns of chunk artifacts."""


class StratumSelection(Definition):
    """A stratum in a system."""

    kind_of_mapping: ClassVar[str] = "stratum selection"

    morph: Path
    name: Name | None = None
    artifacts: List[Name] | None = None
    """The stratum's artifacts that are wanted; None: all."""


Overlap = Literal["warn", "refuse", "allow"]


def _overlaps(value: object) -> tuple[tuple[str, Overlap], ...]:
    """Turn one word, or a mapping from pattern to word, into pairs; the first pattern that matches counts."""
    if isinstance(value, tuple):
        return value  # made in code
    given = value.items() if isinstance(value, Mapping) else (("**", value),)
    pairs: list[tuple[str, Overlap]] = []
    for pattern, word in given:
        if word not in ("warn", "refuse", "allow"):
            raise wrong(f"must be warn, refuse or allow, not {describe(word)}")
        pairs.append((pattern, word))
    return tuple(pairs)


_OVERLAP_WORDS = {"enum": ["warn", "refuse", "allow"]}
Overlaps = Annotated[
    tuple[tuple[str, Overlap], ...],
    PlainValidator(_overlaps),
    WithJsonSchema({"anyOf": [_OVERLAP_WORDS, {"type": "object", "additionalProperties": _OVERLAP_WORDS}]}),
]


class SystemFile(Definition):
    """A file of kind system: a root file system."""

    kind_of_mapping: ClassVar[str] = "system"
    strict_fields: ClassVar[bool] = True

    name: Name
    kind: Literal["system"] = "system"
    description: Description = ""
    arch: Name
    strata: NonEmptyList[StratumSelection]
    configuration_extensions: List[Text] = ()
    """Paths without ``.configure``, run in order when the system is deployed."""
    overlaps: Overlaps = (("**", "warn"),)
    """(path pattern, what a file there means that differs in two artifacts); the first pattern that matches counts."""
    os_release: Map[str] = EMPTY
    classic_os_release: Flag = False

    @classmethod
    def _arranged(cls, data: Mapping[str, Any], reading: Reading | None) -> Mapping[str, Any]:
        """Return the fields, with today's name of an architecture that had another one."""
        arch = data.get("arch")
        old = reading.format.old_architectures if reading else EMPTY
        renamed = {**data, "arch": old[arch]} if isinstance(arch, str) and arch in old else data
        return super()._arranged(renamed, reading)


class BuildSystem(Definition):
    """The commands of a build system; what a chunk does not say, it takes from here."""

    kind_of_mapping: ClassVar[str] = "build system"
    strict_fields: ClassVar[bool] = True

    configure_commands: List[Command] = ()
    build_commands: List[Command] = ()
    install_commands: List[Command] = ()
    strip_commands: List[Command] = ()

    @property
    def commands(self) -> Mapping[str, tuple[str | bytes, ...]]:
        """Step → commands."""
        return FrozenMap(
            {
                "configure": self.configure_commands,
                "build": self.build_commands,
                "install": self.install_commands,
                "strip": self.strip_commands,
            }
        )


class SplitRules(Definition):
    """Split rules that hold where no product says otherwise."""

    kind_of_mapping: ClassVar[str] = "split-rules"
    strict_fields: ClassVar[bool] = True

    chunk: List[Product] = ()
    stratum: List[Product] = ()


class DefaultsFile(Definition):
    """The file ``DEFAULTS`` at the root of the definitions."""

    kind_of_mapping: ClassVar[str] = "DEFAULTS file"
    strict_fields: ClassVar[bool] = True

    build_systems: Map[BuildSystem] = EMPTY
    split_rules: SplitRules | None = None
