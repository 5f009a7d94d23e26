"""Where a chunk's files come from: the sources of format 9, and the git repository of the formats before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import Struct

from lithify.definitions.base import Definition
from lithify.definitions.flaws import Wrong
from lithify.definitions.readers import ByKind, Then
from lithify.definitions.scalars import (
    Count,
    Flag,
    List,
    Map,
    Name,
    NonEmptyList,
    Path,
    Ref,
    RefPattern,
    SubFolder,
    Text,
    Url,
)
from lithify.definitions.text import describe


class Submodule(Definition, frozen=True, kw_only=True):
    """Where a submodule comes from, in place of what ``.gitmodules`` says."""

    kind_of_mapping: ClassVar[str] = "submodule"

    url: Url
    """A URL, or ``alias:path``."""


def _pairs(submodules: Mapping[str, Submodule]) -> tuple[tuple[str, str], ...]:
    """Return sorted pairs, so that a source can be hashed."""
    return tuple(sorted((name, submodule.url) for name, submodule in submodules.items()))


Submodules = Annotated[tuple[tuple[str, str], ...], Then(_pairs, written=Map[Submodule])]
"""(name, URL) of submodules, sorted; of nested ones too."""


def _like(pattern: str) -> Then:
    """Return the check of a name that Debian gave."""

    def check(name: str) -> str:
        if re.fullmatch(pattern, name) is None:
            raise Wrong(f"is no such name: {describe(name)}", "lower-case letters, digits and + - . only")
        return name

    return Then(check, schema={"pattern": pattern, "type": "string"})


Suite = Annotated[str, _like(r"^[a-z0-9][a-z0-9.+-]*(/[a-z0-9.+-]+)*$")]
PackageName = Annotated[str, _like(r"^[a-z0-9][a-z0-9+.-]*(:[a-z0-9]+)?$")]


class GitSource(Definition, frozen=True, kw_only=True):
    """A commit of a git repository."""

    kind_of_mapping: ClassVar[str] = "git source"

    kind: Literal["git"] = "git"
    """``git``."""
    url: Url
    """A URL, or ``alias:path``."""
    ref: Ref | None = None
    """A commit, branch or tag."""
    track: RefPattern | None = None
    """A branch, or a pattern of tags, whose newest commit ``lithify lock --update`` pins."""
    submodules: Submodules = ()
    """Name → ``url``, in place of what ``.gitmodules`` says; of nested submodules too."""
    into: SubFolder = ""
    """The folder below the build folder that it goes to; the build folder itself, where it is left out."""

    def __post_init__(self) -> None:
        """Refuse a source that names no commit, or two."""
        if (self.ref is None) == (self.track is None):
            raise Wrong('must have either "ref" or "track"')


class ArchiveSource(Definition, frozen=True, kw_only=True):
    """A tar or zip file."""

    kind_of_mapping: ClassVar[str] = "archive source"

    kind: Literal["archive"] = "archive"
    """``archive``."""
    url: Url
    """Where it is; a mirror may be set by the user."""
    strip: Count = 1
    """How many leading folders are taken off."""
    into: SubFolder = ""
    """The folder below the build folder that it goes to; the build folder itself, where it is left out."""


class DebianSourcePackage(Definition, frozen=True, kw_only=True):
    """A source package of Debian."""

    kind_of_mapping: ClassVar[str] = "debian-source source"

    kind: Literal["debian-source"] = "debian-source"
    """``debian-source``."""
    package: PackageName
    """The name of the source package."""
    suite: Suite
    """Such as ``bookworm``, or ``bookworm-backports``."""
    patches: Flag = True
    """Whether ``debian/patches`` are applied."""
    into: SubFolder = ""
    """The folder below the build folder that it goes to; the build folder itself, where it is left out."""


class DebianBinaries(Definition, frozen=True, kw_only=True):
    """The files of Debian's binary packages, united in a tree with merged ``/usr``; no maintainer script is run."""

    kind_of_mapping: ClassVar[str] = "debian source"

    kind: Literal["debian"] = "debian"
    """``debian``."""
    packages: NonEmptyList[PackageName]
    """Names of binary packages."""
    suite: Suite
    """Such as ``bookworm``, or ``bookworm-backports``."""
    arch: Name | None = None
    """Debian's name of the architecture; that of the system, where it is not given."""
    dependencies: Flag = True
    """Whether what they depend on is taken too, as apt solves it."""
    recommends: Flag = False
    """Whether what they recommend is taken too."""
    exclude: List[PackageName] = ()
    """Packages that are left out, though something depends on them."""
    into: SubFolder = ""
    """The folder below the build folder that it goes to; the build folder itself, where it is left out."""


class PypiSource(Definition, frozen=True, kw_only=True):
    """A project of the Python Package Index."""

    kind_of_mapping: ClassVar[str] = "pypi source"

    kind: Literal["pypi"] = "pypi"
    """``pypi``."""
    project: Name
    """The name of the project."""
    version: Text
    """Such as ``1.10``."""
    into: SubFolder = ""
    """The folder below the build folder that it goes to; the build folder itself, where it is left out."""


class LocalSource(Definition, frozen=True, kw_only=True):
    """A folder or file below the definitions; its content is read at each build."""

    kind_of_mapping: ClassVar[str] = "local source"

    kind: Literal["local"] = "local"
    """``local``."""
    path: Path
    """Relative to the root of the definitions."""
    into: SubFolder = ""
    """The folder below the build folder that it goes to; the build folder itself, where it is left out."""


class PatchSource(Definition, frozen=True, kw_only=True):
    """A patch below the definitions, or a folder of patches, applied to the sources before it."""

    kind_of_mapping: ClassVar[str] = "patch source"

    kind: Literal["patch"] = "patch"
    """``patch``."""
    path: Path
    """A patch, or a folder: in the order of its file ``series``, else of the names."""
    strip: Count = 1
    """``patch -p``."""
    into: SubFolder = ""
    """The folder below the build folder that it goes to; the build folder itself, where it is left out."""


class WorkspaceSource(Struct, frozen=True, kw_only=True):
    """A folder in which somebody works on a chunk: in place of all sources that its definition names.

    No definition can say it: it comes of ``lithify workspace open``.
    """

    path: str
    """Absolute."""
    id: str
    """Of this workspace and no other: it keeps the keys of what is made from it apart."""
    chunk: str
    keep_git: bool = False
    """Whether ``.git`` is built with."""
    kind: Literal["workspace"] = "workspace"
    into: str = ""


AnySource = Annotated[
    GitSource | ArchiveSource | DebianSourcePackage | DebianBinaries | PypiSource | LocalSource | PatchSource,
    ByKind("source"),
]
"""A source that a definition can name, as its ``kind:`` says."""
Source = AnySource | WorkspaceSource
"""Any source. All can be hashed, and have ``kind`` and ``into``."""
