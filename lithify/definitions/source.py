"""Where a chunk's files come from: the sources of format 9, and the git repository of the formats before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Struct
from pydantic import Field, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema

from lithify.definitions.base import Definition
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
    wrong,
)


class Submodule(Definition):
    """Where a submodule comes from, in place of what ``.gitmodules`` says."""

    kind_of_mapping: ClassVar[str] = "submodule"

    url: Url
    """A URL, or ``alias:path``."""


class _Pairs:
    """Makes ``{NAME: {url: URL}}`` sorted pairs, so that a source can be hashed."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(
            self._pairs, handler.generate_schema(Map[Submodule])
        )

    @staticmethod
    def _pairs(value: Any, check: core_schema.ValidatorFunctionWrapHandler) -> tuple[tuple[str, str], ...]:
        if isinstance(value, tuple):
            return value  # made in code
        submodules: Mapping[str, Submodule] = check(value)
        return tuple(sorted((name, submodule.url) for name, submodule in submodules.items()))


Submodules = Annotated[tuple[tuple[str, str], ...], _Pairs()]
"""(name, URL) of submodules, sorted; of nested ones too."""

Suite = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+-]*(/[a-z0-9.+-]+)*$")]
PackageName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]*(:[a-z0-9]+)?$")]


class GitSource(Definition):
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

    @model_validator(mode="after")
    def _one_of_ref_and_track(self) -> GitSource:
        if (self.ref is None) == (self.track is None):
            raise wrong('must have either "ref" or "track"')
        return self


class ArchiveSource(Definition):
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


class DebianSourcePackage(Definition):
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


class DebianBinaries(Definition):
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


class PypiSource(Definition):
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


class LocalSource(Definition):
    """A folder or file below the definitions; its content is read at each build."""

    kind_of_mapping: ClassVar[str] = "local source"

    kind: Literal["local"] = "local"
    """``local``."""
    path: Path
    """Relative to the root of the definitions."""
    into: SubFolder = ""
    """The folder below the build folder that it goes to; the build folder itself, where it is left out."""


class PatchSource(Definition):
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


DeclaredSource = (
    GitSource | ArchiveSource | DebianSourcePackage | DebianBinaries | PypiSource | LocalSource | PatchSource
)
"""A source that a definition can name."""
Source = DeclaredSource | WorkspaceSource
"""Any source. All can be hashed, and have ``kind`` and ``into``."""

SOURCE_KINDS: Mapping[str, type[Any]] = {
    "git": GitSource,
    "archive": ArchiveSource,
    "debian-source": DebianSourcePackage,
    "debian": DebianBinaries,
    "pypi": PypiSource,
    "local": LocalSource,
    "patch": PatchSource,
}
"""``kind:`` → what it is."""

AnySource = Annotated[DeclaredSource, Field(discriminator="kind")]
"""A source, as its ``kind:`` says."""
