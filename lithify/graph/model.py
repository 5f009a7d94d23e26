"""The resolved model: what a system is made of, as plain immutable data.

This is the file to show a newcomer. ``definitions/`` has what the text says; here every name is resolved, every default
filled in, every build system expanded to its commands. Nothing here reads a file or knows a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NewType

from msgspec import Struct

from lithify.definitions.model import Source, WorkspaceSource
from lithify.errors import Fault, Place

DefinitionKey = NewType("DefinitionKey", str)
"""64 hex digits: known before anything is fetched or built."""
BuildKey = NewType("BuildKey", str)
"""64 hex digits: known when a source's tree and all that is staged are there."""
ContentDigest = NewType("ContentDigest", str)
"""64 hex digits over a tree and its manifest; equal content has equal digests."""

BuildMode = Literal["staging", "bootstrap", "test"]
Command = str | bytes
"""One shell command; bytes where the definition has a ``!!binary`` scalar."""

STEPS = tuple(
    f"{hook}{step}"
    for step in ("configure", "build", "test", "install", "strip")
    for hook in ("pre-", "", "post-")
)
"""The fifteen steps of a chunk, in the order in which they run."""


class SplitRule(Struct, frozen=True, kw_only=True):
    """Files whose path matches one of ``include`` (``re.match``) belong to ``artifact``; the first rule that matches wins."""

    artifact: str
    """The whole name, ``zlib-libs``."""
    include: tuple[str, ...]


class Integration(Struct, frozen=True, kw_only=True):
    """Commands that run in the composed system where ``artifact`` is in it; ``prefix`` orders them (``00-``, ``01-``)."""

    artifact: str
    prefix: str
    commands: tuple[Command, ...]


class DeviceNode(Struct, frozen=True, kw_only=True):
    """A device that a chunk's definition asks for (``devices:``)."""

    filename: str
    """Path below the root, without leading slash."""
    type: Literal["c", "b"]
    mode: int
    major: int
    minor: int
    uid: int
    gid: int


class Licensing(Struct, frozen=True, kw_only=True):
    """Facts for manifest and SBOM; they are in no key."""

    licence: str = ""
    purl: str = ""
    cpe: str = ""
    homepage: str = ""
    description: str = ""


class Resources(Struct, frozen=True, kw_only=True):
    """What the scheduler reckons with; in no key."""

    memory: int | None = None
    """Bytes."""
    jobs: int | None = None


class Chunk(Struct, frozen=True, kw_only=True):
    """One upstream project and how it is built."""

    name: str
    stratum: str
    """The first stratum that lists it."""
    file: str
    """The chunk file's path below the definitions, or ``NAME.morph`` where the stratum entry says all."""
    place: Place
    """Its entry in the stratum."""
    arch: str
    build_mode: BuildMode = "staging"
    prefix: str = "/usr"
    build_system: str = "manual"
    """Its name; empty where it is not known yet."""
    unresolved: str = ""
    """Why it is not known yet how to build it: only the source can tell, or its file is broken. Such a chunk has no key."""
    sources: tuple[Source, ...] = ()
    """As declared, in the order in which they are laid over one another."""
    workspace: WorkspaceSource | None = None
    """Where somebody works on it, in place of all declared sources."""
    commands: tuple[tuple[str, tuple[Command, ...]], ...] = ()
    """(step, commands) for each step that has any, in the order of :data:`STEPS`; build systems expanded."""
    environment: tuple[tuple[str, str], ...] = ()
    max_jobs: int | None = None
    split_rules: tuple[SplitRule, ...] = ()
    """Products first, then the defaults that no product replaces; each artifact once, in this order."""
    integration: tuple[Integration, ...] = ()
    devices: tuple[DeviceNode, ...] = ()
    keep_git: bool = False
    compiler_cache: bool = False
    build_depends: tuple[str, ...] = ()
    """Names of chunks of the same stratum, as declared, each once."""
    stratum_depends: tuple[str, ...] = ()
    """Names of the strata that its own stratum build-depends on directly."""
    resources: Resources = Resources()
    timeout: float | None = None
    """Seconds a step may take."""
    licensing: Licensing = Licensing()
    faults: tuple[Fault, ...] = ()
    """What is wrong with its definition alone; with an error among them it is ``unresolved``."""

    @property
    def built_from(self) -> tuple[Source, ...]:
        """What is built: the workspace where there is one, else the declared sources."""
        return self.sources if self.workspace is None else (self.workspace,)

    @property
    def artifacts(self) -> tuple[str, ...]:
        """Names of all artifacts that it makes, in rule order."""
        return tuple(dict.fromkeys(rule.artifact for rule in self.split_rules))


class StratumArtifact(Struct, frozen=True, kw_only=True):
    """A named selection of chunk artifacts, such as ``core-runtime``."""

    name: str
    members: tuple[tuple[str, str], ...]
    """(chunk, chunk artifact), in the stratum's order; bootstrap chunks are never in it."""


class Stratum(Struct, frozen=True, kw_only=True):
    """A set of chunks; it has no content of its own."""

    name: str
    file: str
    place: Place
    build_depends: tuple[str, ...] = ()
    """Names of strata, as declared."""
    chunks: tuple[str, ...] = ()
    """Names, in the order of the file."""
    artifacts: tuple[StratumArtifact, ...] = ()
    description: str = ""


class SelectedArtifact(Struct, frozen=True, kw_only=True):
    """A chunk artifact that is in the system, and the selection that brought it."""

    stratum: str
    stratum_artifact: str
    chunk: str
    artifact: str


class System(Struct, frozen=True, kw_only=True):
    """A root file system: which artifacts of which strata, and what is done with the whole."""

    name: str
    file: str
    place: Place
    arch: str
    selected: tuple[SelectedArtifact, ...] = ()
    """In layer order: later ones win. Each (chunk, artifact) once."""
    strata: tuple[str, ...] = ()
    """Names of the strata listed, in order."""
    stratum_artifacts: tuple[tuple[str, str], ...] = ()
    """(stratum, stratum artifact) that are in the system, in order."""
    overlaps: tuple[tuple[str, Literal["warn", "refuse", "allow"]], ...] = (("**", "warn"),)
    """Path pattern → what an overlap there means; the first that matches counts."""
    os_release: tuple[tuple[str, str], ...] = ()
    classic_os_release: bool = False
    configuration_extensions: tuple[str, ...] = ()
    description: str = ""


class StagedGroup(Struct, frozen=True, kw_only=True):
    """Chunks of one stratum that are staged together, in layer order."""

    stratum: str
    chunks: tuple[str, ...]


class SystemGraph(Struct, frozen=True, kw_only=True):
    """The whole closure of one system. Chunk names are unique in it."""

    format: int
    system: System
    strata: Mapping[str, Stratum]
    """Listed strata and those they build-depend on, each after all that it depends on."""
    chunks: Mapping[str, Chunk]
    """In build order: each after all that it depends on."""
    needed: frozenset[str]
    """Chunks that the system's selected artifacts come from or depend on."""
    faults: tuple[Fault, ...] = ()
    """What is wrong, of chunks too, that leaves the graph as such right: :func:`lithify.graph.resolve.require_sound`."""
