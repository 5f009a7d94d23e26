"""An ext4 file system out of store entries: one ``mkfs.ext4``, then one ``debugfs`` script, in sorted order.

No mount and no namespace is needed, content comes straight from the store's objects, and the clock that both programs see is
fixed (``E2FSPROGS_FAKE_TIME``), so the same entries give the same bytes. The machine's ``/etc/mke2fs.conf`` has no say:
releases differ in the features that theirs switches on.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lithify.deploy.layout import BLOCK, INODE, MIB, Layout
from lithify.deploy.order import fixed_environment, no_room
from lithify.errors import DeployError
from lithify.process import ProgramFailed, run
from lithify.store.entries import Entry
from lithify.store.manifest import Device

CONFIGURATION = """\
[defaults]
    base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
    default_mntopts = acl,user_xattr
    enable_periodic_fsck = 0
[fs_types]
    ext4 = {
        features = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
    }
"""
"""What ``mkfs.ext4`` reads in place of ``/etc/mke2fs.conf``: the features of Debian 12, which every kernel since 3.18 has."""

ROOT_INODE = 2
LOST_AND_FOUND = 11
"""The folder that mkfs makes; what debugfs makes next gets 12, 13 and so on, since nothing is ever removed."""
LONGEST_LINE = 8000
"""debugfs reads lines into 8192 bytes, and takes the rest of a longer one for another command."""

LARGEST_MINOR = 65535
"""debugfs makes no device of a larger one, though Linux has them."""

_DEVICE_TYPES = {"c": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO, "s": stat.S_IFSOCK}
_ALLOCATED = re.compile(rb"^Allocated inode: (\d+)$", re.MULTILINE)


def write_ext4(
    image: Path,
    entries: Sequence[Entry],
    object_path: Callable[[str], Path],
    layout: Layout,
    scratch: Path,
) -> None:
    """Make ``image``, a file in ``scratch``, the root file system of a layout, with ``entries``.

    Raises :class:`DeployError` where debugfs refuses something, or a name cannot be given to it, and :class:`NoSpace`.
    """
    with image.open("wb") as file:
        file.truncate(layout.root.size)
    configuration = scratch / "mke2fs.conf"
    configuration.write_text(CONFIGURATION)
    environment = fixed_environment() | {"MKE2FS_CONFIG": str(configuration)}
    uuid = layout.root_uuid
    options = f"hash_seed={uuid},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0"
    script = scratch / "debugfs"
    with script.open("wb") as file:
        for line in script_lines(entries, object_path, scratch):
            file.write(line + b"\n")
    try:
        run(
            [
                *("mkfs.ext4", "-q", "-F", "-b", str(BLOCK), "-I", str(INODE), "-N", str(layout.inodes)),
                *("-J", f"size={layout.journal // MIB}", "-U", uuid, "-E", options, "-L", "root"),
                *("-m", "0", image.name),
            ],
            env=environment,
            cwd=image.parent,  # these programs take a `?` in a path for the beginning of options
        )
        done = run(["debugfs", "-w", "-f", str(script), image.name], env=environment, cwd=image.parent)
    except ProgramFailed as error:
        raise no_room(scratch, error.completed.stderr) or error from error
    problems = [line for line in done.stderr.decode(errors="replace").splitlines()[1:] if line.strip()]
    if problems:
        raise no_room(scratch, done.stderr) or DeployError(
            f"the root file system could not be written: {problems[0]}", hints=problems[1:6]
        )
    _check_numbers(entries, [int(number) for number in _ALLOCATED.findall(done.stdout)])


def script_lines(
    entries: Sequence[Entry], object_path: Callable[[str], Path], scratch: Path
) -> Iterator[bytes]:
    """Yield the commands of debugfs that make ``entries``; values of xattrs are put into files in ``scratch``.

    What was made is spoken of by its inode's number: a path would be looked up from the root for each command, through all
    names of a large folder.
    """
    number_of = numbers(entries)
    names = {entry.path: 1 for entry in entries}
    for entry in entries:
        if entry.kind == "link":
            names[entry.hardlink_to] += 1
    here = ROOT_INODE
    for entry in entries:
        number = number_of[entry.path]
        parent, _, name = entry.path.rpartition("/")
        if entry.path and number_of[parent] != here:
            here = number_of[parent]
            yield f"cd <{here}>".encode()
        if number not in (ROOT_INODE, LOST_AND_FOUND):
            yield _line(entry, *_making(entry, _quoted(name), object_path, number))
        if entry.kind != "link":
            yield from _attributes(entry, number, names[entry.path], scratch)
        if entry.device is not None and entry.device.type == "s":
            yield _line(entry, "unlink", _quoted(name))
            yield _line(entry, "ln", f"<{number}>", _quoted(name))


def numbers(entries: Sequence[Entry]) -> dict[str, int]:
    """Return path → inode number, as debugfs is going to give them: one after the other."""
    found = {"": ROOT_INODE}
    following = LOST_AND_FOUND + 1
    for entry in entries:
        if entry.kind == "link":
            found[entry.path] = found[entry.hardlink_to]
        elif entry.path == "lost+found" and entry.kind == "dir":
            found[entry.path] = LOST_AND_FOUND
        elif entry.path:
            found[entry.path] = following
            following += 1
    return found


def _making(entry: Entry, name: str, object_path: Callable[[str], Path], number: int) -> tuple[str, ...]:
    """Return the words of the command that makes an entry in the current folder."""
    match entry.kind:
        case "dir":
            return ("mkdir", name)
        case "file":
            return ("write", _quoted(str(object_path(entry.checksum))), name)
        case "symlink":
            return ("symlink", name, _quoted(entry.target))
        case "link":
            return ("ln", f"<{number}>", name)
        case "device":
            device = entry.device
            assert device is not None
            if device.type in ("p", "s"):
                # debugfs makes no sockets: a mode makes it one, and a name that is given afterwards knows it for one
                return ("mknod", name, "p")
            if device.minor > LARGEST_MINOR:
                return ("mknod", name, device.type, "0", str(LARGEST_MINOR))
            return ("mknod", name, device.type, str(device.major), str(device.minor))


def _attributes(entry: Entry, number: int, links: int, scratch: Path) -> Iterator[bytes]:
    """Yield the commands that set an inode's mode, owner, link count and xattrs where they are not what it is made with."""
    mode = _type(entry) | entry.mode
    if mode != {"dir": stat.S_IFDIR | 0o755, "symlink": stat.S_IFLNK | 0o777}.get(entry.kind):
        yield f"sif <{number}> mode 0{mode:o}".encode()
    for field, value, initial in (("uid", entry.uid, 0), ("gid", entry.gid, 0), ("links_count", links, 1)):
        if value != initial:
            yield f"sif <{number}> {field} {value}".encode()
    if entry.device is not None and entry.device.minor > LARGEST_MINOR:
        yield f"sif <{number}> block[1] {_large_device(entry.device)}".encode()
    for index, (key, content) in enumerate(entry.xattrs):
        held = scratch / f"xattr-{number}-{index}"
        held.write_bytes(content)
        name = key.rstrip(b"\0").decode()
        yield _line(entry, "ea_set", "-f", _quoted(str(held)), f"<{number}>", _quoted(name))


def _large_device(device: Device) -> int:
    """Return a device's numbers as the kernel keeps large ones (``new_encode_dev``)."""
    return device.minor & 0xFF | device.major << 8 | (device.minor & ~0xFF) << 12


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


def _line(entry: Entry, *words: str) -> bytes:
    line = " ".join(words).encode()
    if any(byte in line for byte in b"\n\r\0"):
        raise DeployError(
            f"/{entry.path!r} has a line break in its name or target, which the ext4 writer cannot hold",
            hints=["a `tar` or `directory` deployment can"],
        )
    if len(line) > LONGEST_LINE:
        raise DeployError(
            f"/{entry.path[:100]}… has a target or attribute name that is too long for the ext4 writer",
            hints=["a `tar` or `directory` deployment can hold it"],
        )
    return line


def _check_numbers(entries: Sequence[Entry], given: list[int]) -> None:
    """Raise unless debugfs gave the inode numbers that the script spoke of; it prints those of files and devices."""
    number_of = numbers(entries)
    expected = [
        number_of[entry.path]
        for entry in entries
        if entry.kind == "file" or (entry.kind == "device" and entry.device is not None)
    ]
    if given != expected:
        raise DeployError(
            "debugfs numbered the files of the root file system in an unknown way",
            hints=["this version of e2fsprogs is not known to lithify: please report it, with `debugfs -V`"],
        )
