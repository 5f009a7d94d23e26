"""Whether there is room to begin: the settings ``cachedir-min-space`` and ``tempdir-min-space``."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from msgspec import Struct

from lithify.cli.text import size
from lithify.config import Settings
from lithify.errors import NoSpace


class Room(Struct, frozen=True, kw_only=True):
    """A folder, and the room that is left there."""

    name: str
    """The setting that names the folder."""
    folder: Path
    free: int
    """Bytes."""
    least: int
    """Bytes that its setting asks for."""

    @property
    def is_enough(self) -> bool:
        """Whether work may begin."""
        return self.free >= self.least

    @property
    def detail(self) -> str:
        """What is there, and what is asked for."""
        wanted = "" if self.is_enough else f"; the setting {self.name}-min-space asks for {size(self.least)}"
        return f"{size(self.free)} free in {self.folder}{wanted}"

    @property
    def mend(self) -> str:
        """What helps; empty where nothing needs to."""
        return "" if self.is_enough else f"lithify gc, or --{self.name} FOLDER on another file system"


def rooms(settings: Settings) -> tuple[Room, Room]:
    """Return the room of the cache and that of the folder for building."""
    tempdir = settings.tempdir or Path(tempfile.gettempdir())
    return (
        Room(
            name="cachedir",
            folder=settings.cachedir,
            free=_free(settings.cachedir),
            least=settings.cachedir_min_space,
        ),
        Room(name="tempdir", folder=tempdir, free=_free(tempdir), least=settings.tempdir_min_space),
    )


def require_room(settings: Settings) -> None:
    """Raise :class:`NoSpace` where less room is left than the settings ask for."""
    for room in rooms(settings):
        if not room.is_enough:
            raise NoSpace(
                f"too little space to begin: {room.detail}",
                hints=[room.mend, f"--{room.name}-min-space 0 begins all the same"],
            )


def _free(folder: Path) -> int:
    place = folder.absolute()
    while not _is_seen(place):
        place = place.parent
    return shutil.disk_usage(place).free


def _is_seen(place: Path) -> bool:
    try:
        return place.exists()
    except PermissionError:  # in a folder that is somebody else's
        return False
