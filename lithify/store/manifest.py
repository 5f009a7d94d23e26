"""What OSTree cannot hold of a tree: device nodes, fifos, sockets, and which files are one file under several names.

A manifest stands beside a tree in a commit's metadata, and takes part in its content digest. Paths are below the tree's
root, without a leading slash. The members of a link group are also files of the tree, all with the same checksum; devices
are in the manifest alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

from msgspec import Struct
from msgspec.structs import asdict

DeviceType = Literal["c", "b", "p", "s"]


class Device(Struct, frozen=True, kw_only=True, order=True):
    """A node that is neither file, folder nor symlink."""

    path: str
    type: DeviceType
    """Character device, block device, pipe (fifo) or socket, by ``mknod``'s letters (``s`` for a socket)."""
    mode: int
    """Permission bits alone."""
    uid: int = 0
    gid: int = 0
    major: int = 0
    """0 for fifos and sockets, as ``minor``."""
    minor: int = 0


class Manifest(Struct, frozen=True):
    """Devices and link groups of a tree, each sorted; made by :func:`manifest_of`, which sorts and checks."""

    devices: tuple[Device, ...] = ()
    links: tuple[tuple[str, ...], ...] = ()
    """Groups of two paths or more that are one file."""

    def __bool__(self) -> bool:
        """Return whether there is anything that OSTree cannot hold."""
        return bool(self.devices or self.links)

    def with_devices(self, devices: Iterable[Device]) -> Manifest:
        """Return a manifest with more devices; one at a path that is taken replaces what stood there."""
        added = {device.path: device for device in devices}
        kept = (device for device in self.devices if device.path not in added)
        links = ([path for path in group if path not in added] for group in self.links)
        return manifest_of([*kept, *added.values()], links)

    def subset(self, paths: Collection[str]) -> Manifest:
        """Return what is left when only ``paths`` stay: a group of fewer than two names is none."""
        return manifest_of(
            (device for device in self.devices if device.path in paths),
            ([path for path in group if path in paths] for group in self.links),
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain data; equal manifests give equal data."""
        return {
            "devices": [asdict(device) for device in self.devices],
            "links": [list(group) for group in self.links],
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Manifest:
        """Return the manifest that :meth:`to_json` wrote; raises :class:`ValueError` for anything else."""
        if value == _NOTHING:
            return EMPTY  # as nearly all are
        try:
            devices = [_device_of(item) for item in value["devices"]]
            links = [[_checked_path(path) for path in group] for group in value["links"]]
        except (KeyError, TypeError) as error:
            raise ValueError(f"a manifest is not what it should be: {error}") from error
        return manifest_of(devices, links)


EMPTY = Manifest()
"""Nothing that OSTree cannot hold."""
_NOTHING = EMPTY.to_json()


def manifest_of(devices: Iterable[Device] = (), links: Iterable[Sequence[str]] = ()) -> Manifest:
    """Return a manifest with all of it sorted; groups of fewer than two names are left out.

    Raises :class:`ValueError` where a path stands twice.
    """
    sorted_devices = tuple(sorted(devices, key=lambda device: device.path))
    groups = tuple(sorted(tuple(sorted(group)) for group in links if len(group) > 1))
    seen: set[str] = set()
    for path in (*(device.path for device in sorted_devices), *(path for group in groups for path in group)):
        if path in seen:
            raise ValueError(f"a manifest holds {path} twice")
        seen.add(path)
    return Manifest(sorted_devices, groups)


def _device_of(item: Mapping[str, Any]) -> Device:
    values = {name: item[name] for name in Device.__struct_fields__}
    numbers = [values[name] for name in ("mode", "uid", "gid", "major", "minor")]
    if values["type"] not in get_args(DeviceType) or not all(
        isinstance(number, int) and 0 <= number <= 0xFFFFFFFF for number in numbers
    ):
        raise ValueError(f"a manifest holds no device at {values['path']}: {values}")
    _checked_path(values["path"])
    return Device(**values)


def _checked_path(path: object) -> str:
    """Return a path that stays below the root: a commit from elsewhere may say anything."""
    if not isinstance(path, str) or any(part in ("", ".", "..") for part in path.split("/")) or "\0" in path:
        raise ValueError(f"a manifest holds a path that is none: {path!r}")
    return path
