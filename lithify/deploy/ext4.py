"""An ext4 file system out of store entries: one ``mkfs.ext4``, then one ``debugfs`` script, in sorted order.

No mount and no namespace is needed, content comes straight from the store's objects, and the clock that both programs see is
fixed (``E2FSPROGS_FAKE_TIME``), so the same entries give the same bytes.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lithify.deploy.layout import BLOCK
from lithify.deploy.order import fixed_environment
from lithify.errors import DeployError
from lithify.process import run
from lithify.store.entries import Entry

_DEVICE_TYPES = {"c": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO, "s": stat.S_IFSOCK}


def write_ext4(
    image: Path,
    entries: Sequence[Entry],
    object_path: Callable[[str], Path],
    *,
    size: int,
    inodes: int,
    uuid: str,
    scratch: Path,
) -> None:
    """Make ``image``, a file of ``size`` bytes, hold an ext4 file system with ``entries``.

    Raises :class:`DeployError` where debugfs refuses something, or a name cannot be given to it.
    """
    with image.open("wb") as file:
        file.truncate(size)
    environment = fixed_environment()
    options = f"hash_seed={uuid},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0"
    run(
        [
            *("mkfs.ext4", "-q", "-F", "-b", str(BLOCK), "-I", "256", "-N", str(inodes)),
            *("-U", uuid, "-E", options, "-L", "root", "-m", "0", str(image)),
        ],
        env=environment,
    )
    script = scratch / "debugfs"
    with script.open("wb") as file:
        for line in script_lines(entries, object_path, scratch):
            file.write(line.encode() + b"\n")
    done = run(["debugfs", "-w", "-f", str(script), str(image)], env=environment)
    problems = [line for line in done.stderr.decode(errors="replace").splitlines()[1:] if line.strip()]
    if problems:
        raise DeployError(f"the root file system could not be written: {problems[0]}", hints=problems[1:6])


def script_lines(
    entries: Sequence[Entry], object_path: Callable[[str], Path], scratch: Path
) -> Iterator[str]:
    """Yield the commands of debugfs that make ``entries``; values of xattrs are put into files in ``scratch``."""
    folder = None
    links: dict[str, int] = {}
    for entry in entries:
        if entry.hardlink_to:
            links[entry.hardlink_to] = links.get(entry.hardlink_to, 1) + 1
    for number, entry in enumerate(entries):
        _refuse_unwritable(entry)
        parent, _, name = entry.path.rpartition("/")
        if entry.path and parent != folder:
            yield f"cd {_quoted('/' + parent)}"
            folder = parent
        path = _quoted("/" + entry.path)
        match entry.kind:
            case "dir":
                if entry.path:
                    yield f"mkdir {_quoted(name)}"
            case "file":
                yield f"write {_quoted(str(object_path(entry.checksum)))} {_quoted(name)}"
            case "symlink":
                yield f"symlink {_quoted(name)} {_quoted(entry.target)}"
            case "device":
                yield from _device(entry, name)
            case "link":
                yield f"ln {_quoted('/' + entry.hardlink_to)} {_quoted(name)}"
                continue
        yield f"sif {path} mode 0{_type(entry) | entry.mode:o}"
        yield f"sif {path} uid {entry.uid}"
        yield f"sif {path} gid {entry.gid}"
        if entry.path in links:
            yield f"sif {path} links_count {links[entry.path]}"
        for index, (key, value) in enumerate(entry.xattrs):
            held = scratch / f"xattr-{number}-{index}"
            held.write_bytes(value)
            attribute = key.rstrip(b"\0").decode()
            yield f"ea_set -f {_quoted(str(held))} {path} {attribute}"


def _device(entry: Entry, name: str) -> Iterator[str]:
    device = entry.device
    assert device is not None
    if device.type == "s":
        yield f"mknod {_quoted(name)} p"  # debugfs makes no sockets; the mode that follows makes it one
    elif device.type == "p":
        yield f"mknod {_quoted(name)} p"
    else:
        yield f"mknod {_quoted(name)} {device.type} {device.major} {device.minor}"


def _type(entry: Entry) -> int:
    match entry.kind:
        case "dir":
            return stat.S_IFDIR
        case "symlink":
            return stat.S_IFLNK
        case "device" if entry.device is not None:
            return _DEVICE_TYPES[entry.device.type]
        case _:
            return stat.S_IFREG


def _quoted(text: str) -> str:
    """Return a word for debugfs: in double quotes, a quote in it doubled."""
    return '"' + text.replace('"', '""') + '"'


def _refuse_unwritable(entry: Entry) -> None:
    for text in (entry.path, entry.target):
        if "\n" in text or "\r" in text:
            raise DeployError(
                f"/{entry.path!r} has a line break in its name or target, which the ext4 writer cannot hold",
                hints=["a `tar` or `directory` deployment can"],
            )
