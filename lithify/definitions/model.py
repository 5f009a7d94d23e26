"""What the files of a definitions tree hold, as their authors wrote them: chunk, stratum, system, cluster, DEFAULTS.

Field by field this is the language's reference; which format read which field stands in
:mod:`lithify.definitions.formats`. Nothing is resolved here: a name is a name, and what was left out is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from lithify.definitions.base import Definition, place_of
from lithify.definitions.chunk import STEPS, ChunkBody, ChunkFile, Device, Product, ResourceNeeds
from lithify.definitions.cluster import ClusterFile, ClusterSystem, Deployment
from lithify.definitions.commands import Command
from lithify.definitions.context import Reading
from lithify.definitions.flaws import Wrong
from lithify.definitions.frozen import FrozenMap
from lithify.definitions.readers import Reader
from lithify.definitions.scalars import (
    EMPTY,
    Description,
    Flag,
    List,
    Map,
    Name,
    NonEmptyList,
    Path,
    Ref,
    Text,
    Url,
)
from lithify.definitions.source import (
    ArchiveSource,
    DebianBinaries,
    DebianSourcePackage,
    GitSource,
    LocalSource,
    PatchSource,
    PypiSource,
    Source,
    Submodules,
    WorkspaceSource,
)
from lithify.definitions.text import Fields, describe

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
    "WorkspaceSource",
    "place_of",
]


class ChunkEntry(ChunkBody, frozen=True, kw_only=True):
    """A chunk of a stratum."""

    kind_of_mapping: ClassVar[str] = "chunk entry"

    name: Name
    """The name of the chunk: one chunk of a system has it."""
    repo: Url | None = None
    """A git repository: a URL, or ``alias:path``."""
    ref: Ref | None = None
    """A commit; or a branch or tag, which is resolved when a build starts, with a warning."""
    morph: Path | None = None
    """The chunk file."""
    build_depends: List[Name] | None = None
    """Chunks of the same stratum that it is built on, beside all that the stratum is built on."""
    build_mode: Literal["staging", "bootstrap", "test"] = "staging"
    """``staging``: in a sandbox of what it depends on; ``test``: with the host's tools; ``bootstrap``: with the host's tools,
    and never part of a system or of what other strata are built on."""
    prefix: Text = "/usr"
    """``PREFIX`` of its build; ``PREFIX/bin`` is on the ``PATH`` of what depends on it."""
    artifacts: Map[Name] = EMPTY
    """Chunk artifact → the artifact of the stratum that it goes to, whatever the rules say."""
    unpetrify_ref: Description = ""
    """For people: the branch or tag that ``ref`` was."""
    submodules: Submodules = ()
    """Name → ``url``, in place of what ``.gitmodules`` says; of nested submodules too."""


class StratumReference(Definition, frozen=True, kw_only=True):
    """A stratum that another one is built upon."""

    kind_of_mapping: ClassVar[str] = "stratum reference"

    morph: Path
    """The stratum file."""


class StratumFile(Definition, frozen=True, kw_only=True):
    """A file of kind stratum: a set of chunks."""

    kind_of_mapping: ClassVar[str] = "stratum"
    strict_fields: ClassVar[bool] = True

    name: Name
    """The name of the stratum."""
    kind: Literal["stratum"] = "stratum"
    """``stratum``."""
    description: Description = ""
    """For people."""
    build_depends: List[StratumReference] | None = None
    """Strata that its chunks are built on: all that is in them is there in each build. Left out where it begins anew."""
    chunks: List[ChunkEntry]
    """Its chunks; later ones win where files overlap."""
    products: List[Product] = ()
    """Its own rules for which chunk artifact goes to which of its artifacts, before those of the defaults."""


class StratumSelection(Definition, frozen=True, kw_only=True):
    """A stratum in a system."""

    kind_of_mapping: ClassVar[str] = "stratum selection"

    morph: Path
    """The stratum file."""
    name: Name | None = None
    """The name of the stratum; checked, where it is given."""
    artifacts: List[Name] | None = None
    """The stratum's artifacts that are wanted; all, where it is left out."""


Overlap = Literal["warn", "refuse", "allow"]


def _overlaps(value: object, reading: Reading) -> tuple[tuple[str, Overlap], ...]:
    """Turn one word, or a mapping from pattern to word, into pairs; the first pattern that matches counts."""
    given = value.items() if isinstance(value, Fields) else (("**", value),)
    pairs: list[tuple[str, Overlap]] = []
    for pattern, word in given:
        if word not in ("warn", "refuse", "allow"):
            raise Wrong(f"must be warn, refuse or allow, not {describe(word)}")
        pairs.append((pattern, word))
    return tuple(pairs)


_OVERLAP_WORDS = {"enum": ["warn", "refuse", "allow"]}
Overlaps = Annotated[
    tuple[tuple[str, Overlap], ...],
    Reader(
        _overlaps, {"anyOf": [_OVERLAP_WORDS, {"additionalProperties": _OVERLAP_WORDS, "type": "object"}]}
    ),
]


class SystemFile(Definition, frozen=True, kw_only=True):
    """A file of kind system: a root file system."""

    kind_of_mapping: ClassVar[str] = "system"
    strict_fields: ClassVar[bool] = True

    name: Name
    """The name of the system."""
    kind: Literal["system"] = "system"
    """``system``."""
    description: Description = ""
    """For people."""
    arch: Name
    """The architecture, such as ``x86_64``, ``x86_32``, ``armv8l64``, ``armv7lhf``, ``ppc64``."""
    strata: NonEmptyList[StratumSelection]
    """What it is made of; later ones win where files overlap."""
    configuration_extensions: List[Text] = ()
    """Paths without ``.configure``, run in order when the system is deployed."""
    overlaps: Overlaps = (("**", "warn"),)
    """Path pattern → what a file there means that differs in two artifacts: take the later one and ``warn``, ``refuse``, or
    ``allow`` it silently. Of several patterns that match, the one with the most letters counts."""
    os_release: Map[str] = EMPTY
    """Fields of ``/etc/os-release``."""
    classic_os_release: Flag = False
    """Whether ``/etc/os-release`` is the one that morph wrote."""

    @classmethod
    def fields_given(cls, data: Fields, reading: Reading) -> Mapping[str, Any]:
        """Return the fields, with today's name of an architecture that had another one."""
        given = super().fields_given(data, reading)
        arch, old = given.get("arch"), reading.format.old_architectures
        return {**given, "arch": old[arch]} if isinstance(arch, str) and arch in old else given


class BuildSystem(Definition, frozen=True, kw_only=True):
    """The commands of a build system; what a chunk does not say, it takes from here."""

    kind_of_mapping: ClassVar[str] = "build system"
    strict_fields: ClassVar[bool] = True

    configure_commands: List[Command] = ()
    """Commands of the step ``configure``."""
    build_commands: List[Command] = ()
    """Commands of the step ``build``."""
    install_commands: List[Command] = ()
    """Commands of the step ``install``."""
    strip_commands: List[Command] = ()
    """Commands of the step ``strip``."""

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


class SplitRules(Definition, frozen=True, kw_only=True):
    """Split rules that hold where no product says otherwise."""

    kind_of_mapping: ClassVar[str] = "split-rules"
    strict_fields: ClassVar[bool] = True

    chunk: List[Product] = ()
    """Rules for chunks; ``artifact`` is a suffix of the chunk's name."""
    stratum: List[Product] = ()
    """Rules for strata; ``artifact`` is a suffix of the stratum's name."""


class DefaultsFile(Definition, frozen=True, kw_only=True):
    """The file ``DEFAULTS`` at the root of the definitions."""

    kind_of_mapping: ClassVar[str] = "DEFAULTS file"
    strict_fields: ClassVar[bool] = True

    build_systems: Map[BuildSystem] = EMPTY
    """Name → commands."""
    split_rules: SplitRules | None = None
    """Rules that hold where no ``products`` say otherwise."""
