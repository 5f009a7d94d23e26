"""A context for hostile sources: a cache, a sandbox, and a folder to unpack into."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lithify.definitions.model import Source
from lithify.graph.pins import Pin
from lithify.sources.compose import compose
from lithify.sources.kinds import KINDS, SourceContext
from lithify.sources.unpacking import Archive, unpack_archives
from tests.hostile.bench import Scene
from tests.sources.conftest import Place


def place(scene: Scene) -> Place:
    """Return where sources are taken from and kept."""
    (scene.work / "definitions").mkdir(exist_ok=True)
    return Place(root=scene.work / "definitions", cache_root=scene.work / "cache")


def context(scene: Scene, **changes: Any) -> SourceContext:
    """Return what a source kind needs."""
    return place(scene)(**changes)


def into(scene: Scene) -> Path:
    """Return the folder that is unpacked into."""
    folder = scene.work / "into"
    folder.mkdir(exist_ok=True)
    return folder


def unpack(scene: Scene, content: bytes, *, packages: bool = False, strip: int = 0, **changes: Any) -> Path:
    """Unpack an archive."""
    path = scene.work / "archive"
    path.write_bytes(content)
    archive = Archive(path=path, name="project.tar", strip=strip, is_package=packages)
    unpack_archives([archive], into(scene), context(scene, **changes), packages=packages)
    return into(scene)


def composed(scene: Scene, sources: Sequence[Source], pins: dict[Source, Pin] | None = None) -> Path:
    """Pin sources, lay them over one another, and return the folder."""
    made = context(scene)
    known = pins or {source: KINDS[source.kind].pin(source, made) for source in sources}
    compose(sources, known, into(scene), made)
    return into(scene)
