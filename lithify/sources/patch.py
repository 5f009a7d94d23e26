"""``patch`` sources: patches below the definitions, applied to the sources that stand before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lithify.definitions.model import PatchSource
from lithify.errors import PinMismatch, SourceError
from lithify.graph.canonical import Value
from lithify.graph.pins import Pin
from lithify.sources.context import SourceContext
from lithify.sources.local import below_definitions
from lithify.sources.patching import OnePatch, apply_patches, read_series
from lithify.sources.tree import file_digest


class PatchKind:
    """How ``patch`` sources are read and applied."""

    in_place = True
    """They change what other sources laid out."""

    def label(self, source: PatchSource, pin: Pin | None) -> str:
        """Return what messages call the source."""
        return source.path

    def layout(self, source: PatchSource) -> Mapping[str, Value]:
        """Return what of the declaration, beside the pin, decides how the tree looks: nothing, ``strip`` is in the pin."""
        return {}

    def pin(self, source: PatchSource, context: SourceContext) -> Pin:
        """Read the patches as they are now; no network."""
        patches = _patches(source, context)
        return Pin(
            kind="patch",
            digest_data={"patches": _content(patches)},
            fetch={"names": [patch.name for patch in patches]},
        )

    def is_fetched(self, source: PatchSource, pin: Pin, context: SourceContext) -> bool:
        """Whether they are there: always."""
        return True

    def fetch(self, source: PatchSource, pin: Pin, context: SourceContext) -> None:
        """Do nothing: they are there."""

    def unpack(self, source: PatchSource, pin: Pin, into: Path, context: SourceContext) -> None:
        """Apply the patches; raises :class:`PinMismatch` where they are no longer what was read."""
        patches = _patches(source, context)
        if _content(patches) != pin.digest_data["patches"]:
            raise PinMismatch(
                f"the patches {source.path} were changed while they were used", hints=["build again"]
            )
        apply_patches(patches, into, context, owner=source.path, exact=False)

    def write_pin(self, pin: Pin) -> list[str]:
        """Return the lines of the lock file that stand for a pin: a patch is in no lock."""
        return []

    def read_pin(self, lines: Sequence[Sequence[str]]) -> Pin:
        """Raise :class:`ValueError`: a patch is in no lock."""
        raise ValueError("a patch is not locked; its content is read at each build")

    def parts(self, pin: Pin) -> Mapping[str, str]:
        """Return what a person is shown of a pin, by name."""
        names = pin.fetch["names"]
        assert isinstance(names, Sequence)
        return {"patches": " ".join(map(str, names))}


def _content(patches: Sequence[OnePatch]) -> list[Value]:
    return [[patch.strip, file_digest(patch.path).decode()] for patch in patches]


def _patches(source: PatchSource, context: SourceContext) -> list[OnePatch]:
    found = below_definitions(source.path, context.definitions_root)
    if found.is_file():
        return [OnePatch(name=found.name, path=found, strip=source.strip)]
    patches = read_series(found, source.strip)
    if not patches:
        raise SourceError(
            f"there is no patch in the folder {source.path}",
            hints=["patches end in .patch or .diff, or are named in a file `series`"],
        )
    return patches
