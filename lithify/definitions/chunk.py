"""Chunks: how one upstream project is built, and into which artifacts its files are split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from lithify.definitions.base import Definition
from lithify.definitions.commands import Command
from lithify.definitions.flaws import Wrong
from lithify.definitions.patterns import Pattern
from lithify.definitions.readers import Then
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
    Size,
    Text,
)
from lithify.definitions.source import AnySource
from lithify.definitions.text import quoted

STEPS = tuple(
    f"{hook}{step}"
    for step in ("configure", "build", "test", "install", "strip")
    for hook in ("pre-", "", "post-")
)
"""The fifteen steps of a chunk, in the order in which they run."""
_FIELDS = tuple((step, f"{step.replace('-', '_')}_commands") for step in STEPS)
"""(step, the field that has its commands)."""

Commands = List[Command] | None
"""Commands of a step; None: those of the build system."""


def _environment(variables: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in variables.items():
        if not name.isidentifier() or not name.isascii():
            raise Wrong(f"has {quoted(name)}, which is no name of a variable", "letters, digits and _ only")
        if "\0" in value:
            raise Wrong(f"has a NUL character in {name}")
    return variables


def _integration(
    artifacts: Mapping[str, Mapping[str, tuple[str | bytes, ...]]],
) -> Mapping[str, Mapping[str, tuple[str | bytes, ...]]]:
    for name in (*artifacts, *(prefix for steps in artifacts.values() for prefix in steps)):
        if not name or "/" in name or not name.isprintable():
            raise Wrong(f"has {quoted(name)}, which cannot be part of a file name")
    return artifacts


class Product(Definition, frozen=True, kw_only=True):
    """A split rule: what matches one of ``include`` belongs to ``artifact``."""

    kind_of_mapping: ClassVar[str] = "split rule"
    strict_fields: ClassVar[bool] = True

    artifact: ArtifactName
    """The whole name in ``products``, a suffix such as ``-libs`` in ``DEFAULTS``."""
    include: List[Pattern]
    """Regular expressions, matched from the beginning (``re.match``): for chunks, of paths without leading slash; for
    strata, of names of chunk artifacts. One that has many ways to match (``(a+)+``) may not also refer back or look around."""


class Device(Definition, frozen=True, kw_only=True):
    """A device node that a chunk installs."""

    kind_of_mapping: ClassVar[str] = "device"

    type: Literal["c", "b"]
    """``c`` for a character device, ``b`` for a block device."""
    filename: InstalledPath
    """Its path in the system."""
    permissions: Mode
    """In octal, such as ``0666``."""
    major: Count
    """The major number."""
    minor: Count
    """The minor number."""
    uid: Count = 0
    """The owner, a number."""
    gid: Count = 0
    """The group, a number."""


class ResourceNeeds(Definition, frozen=True, kw_only=True):
    """What the scheduler reckons with; in no key."""

    kind_of_mapping: ClassVar[str] = "resources"

    memory: Size | None = None
    """Bytes: it starts when so much is left of `memory-limit` or, without that, of the machine's memory."""
    jobs: Count | None = None
    """How many jobs a build of it can use: `make -jN` gets no more, and it starts when so many processors are left."""


class ChunkBody(Definition, frozen=True, kw_only=True):
    """How a chunk is built: the content of a chunk file, or of an entry of a stratum in format 9."""

    description: Description = ""
    """For people."""
    build_system: Name | None = None
    """What it takes its commands from where it gives none; ``manual``, where this is left out, has none."""
    sources: List[AnySource] = ()
    """Laid over one another, in order; in place of ``repo`` and ``ref``."""

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
    """At most so many jobs at once (``-j``) in a build."""
    products: List[Product] = ()
    """Its own split rules, before those of the defaults."""
    system_integration: Annotated[Map[Map[List[Command]]], Then(_integration)] = EMPTY
    """Commands that are run in each system that the artifact is in, when it is composed: chunk artifact → prefix, such as
    ``00-``, by which all of a system's are ordered → commands."""
    devices: List[Device] = ()
    """Device nodes that are made in it, after its commands."""

    environment: Annotated[Map[str], Then(_environment)] = EMPTY
    """Variables added to the build's environment."""
    compiler_cache: Flag = False
    """Whether a ccache folder of this chunk and this compiler alone is used."""
    keep_git: Flag = False
    """Whether ``.git`` stays in the build folder; then the commit is in the keys."""
    resources: ResourceNeeds = ResourceNeeds()
    """For the scheduler; in no key."""
    timeout: Duration | None = None
    """Seconds that a step may take."""
    licence: Text | None = None
    """SPDX expression."""
    purl: Text | None = None
    """Package URL, for the SBOM."""
    cpe: Text | None = None
    """Common Platform Enumeration name, for the SBOM."""
    homepage: Text | None = None
    """Its web page."""

    @property
    def commands(self) -> dict[str, tuple[str | bytes, ...]]:
        """The steps that it gives commands for (maybe none: ``[]``), in order → those commands."""
        given = ((step, getattr(self, field)) for step, field in _FIELDS)
        return {step: commands for step, commands in given if commands is not None}


class ChunkFile(ChunkBody, frozen=True, kw_only=True):
    """A file of kind chunk."""

    kind_of_mapping: ClassVar[str] = "chunk"
    strict_fields: ClassVar[bool] = True

    name: Name
    """The name of the chunk, as in its stratum."""
    kind: Literal["chunk"] = "chunk"
    """``chunk``."""
