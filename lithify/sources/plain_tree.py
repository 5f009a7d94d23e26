"""The digest of a plain source tree, and its files' content; also a program that does either while we do something else.

It is called as ``python -I -S plain_tree.py``, with paths of folders on its standard input, each ended by a NUL, and answers
each with a line: its digest, or ``-`` where it cannot be read. With the number of the process that waits for it, it copies; see
:mod:`lithify.sources.spoolers`. So it imports next to nothing, and nothing of lithify.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys

# Not typing's: to import that, or collections.abc, takes a fifth of the program's start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator
    from typing import IO

    Stream = IO[bytes]

FORMAT = b"lithify source tree 1"
UNKNOWN = "-"
_AT_ONCE = 1 << 18
"""Bytes read at a time; most files are smaller."""
Row = tuple[bytes, bytes, int, int, int, bytes, bytes]
"""Path below the root, kind, permissions, uid, gid, content, capability; see :class:`lithify.sources.tree.Entry`."""


Spooled = tuple[str, str, str]
"""What an entry is (``d`` folder, ``f`` file, ``l`` link), its path below the top, and its checksum or where it leads."""
LONGEST, DEEPEST, MOST_NAMES, MOST_BYTES = 3000, 200, 100_000, 64 << 30
"""Bytes of a path, folders in one another, names in a folder, and bytes in all, beyond which a tree is not spooled."""


class Unusual(ValueError):
    """Something that is not spooled: whoever lays the tree out in the ordinary way says what is wrong, if anything is."""


class Special(ValueError):
    """Something that is neither a file nor a folder nor a link; its argument is the path."""


def digest_rows(rows: Iterable[Row]) -> str:
    """Return the digest of a tree, 64 hex digits; the order of ``rows`` does not matter."""
    total = hashlib.sha256(FORMAT)
    for path, kind, mode, uid, gid, content, capability in sorted(rows):
        owner = b"%o %d:%d" % (mode, uid, gid)
        # Six fields that can hold no NUL, each ended by one: no two lists of entries give the same bytes.
        fields = (kind, owner, path, content, capability.hex().encode())
        total.update(b"".join(field + b"\0" for field in fields))
    return total.hexdigest()


def walk(
    top: bytes, skip: Callable[[bytes], bool] = lambda path: False
) -> Iterator[tuple[bytes, os.stat_result]]:
    """Yield every path below ``top`` with its status, each folder before what is in it; links are not followed.

    A path that ``skip`` says yes to is left out, with all below it.
    """
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        with os.scandir(folder) as found:
            items = list(found)
        folders = []
        for item in items:
            if skip(item.path):
                continue
            status = item.stat(follow_symlinks=False)
            yield item.path, status
            if stat.S_ISDIR(status.st_mode):
                folders.append(item.path)
        waiting.extend(folders)


def content_of(path: bytes, status: os.stat_result) -> tuple[bytes, bytes]:
    """Return what an entry is and holds: its kind, and the digest of a file or where a link leads."""
    if stat.S_ISREG(status.st_mode):
        return b"f", file_digest(path)
    if stat.S_ISDIR(status.st_mode):
        return b"d", b""
    if stat.S_ISLNK(status.st_mode):
        return b"l", os.readlink(path)
    raise Special(path)


def file_digest(path: bytes | os.PathLike[str]) -> bytes:
    """Return the SHA-256 of a file's content in hex."""
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for part in parts(descriptor):
            digest.update(part)
    finally:
        os.close(descriptor)
    return digest.hexdigest().encode()


def parts(descriptor: int) -> Iterator[bytes]:
    """Yield what is left of an open regular file."""
    while part := os.read(descriptor, _AT_ONCE):
        yield part
        if len(part) < _AT_ONCE:  # the end; a third of the calls are saved
            return


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of it, however little the system takes at a time."""
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def plain_mode(status: os.stat_result) -> int:
    """Return the permissions that an entry of a plain source tree has."""
    if stat.S_ISLNK(status.st_mode):
        return 0o777
    return 0o755 if stat.S_ISDIR(status.st_mode) or status.st_mode & 0o111 else 0o644


def is_git(path: bytes) -> bool:
    """Return whether a path is git's own, which is no part of a source that lies in a work tree."""
    return path.endswith(b"/.git")


def plain_rows(top: bytes, skip: Callable[[bytes], bool]) -> list[Row]:
    """Return what a folder is as a plain source tree: owned by 0:0, 0755 or 0644, no attributes, no links between files.

    ``skip`` says of a path that it, and all below it, is none of the source. Raises :class:`Special`.
    """
    rows: list[Row] = []
    for path, status in walk(top, skip):
        kind, content = content_of(path, status)
        rows.append((path[len(top) + 1 :], kind, plain_mode(status), 0, 0, content, b""))
    return rows


def spool(
    top: bytes, into: bytes, plain: bytes, program: bytes, alive: Callable[[], bool] = lambda: True
) -> tuple[list[Spooled], int, str]:
    """Copy the content of all that is below ``top`` into the flat folder ``into``, and tell what it is.

    Files and links become 0, 1, 2, … in the order of what is returned, as a plain source tree has them, last changed in 1970,
    those that are equal to an earlier one left out. A file's checksum is the SHA-256 of ``plain``, or of ``program`` where it
    may be run, and its content. Each folder comes before what is in it.

    Returns the rows, the bytes of all files, and how it looked (:func:`look_of`), each file after it was read. Raises
    :class:`Unusual`, also where ``alive`` says that nobody waits for it any more, and :class:`OSError`; what was copied stays.
    """
    rows: list[Spooled] = []
    looks: list[tuple[bytes, os.stat_result]] = []
    size = 0
    seen: set[str | bytes] = set()
    names: dict[bytes, int] = {}
    for path, status in walk(top, is_git):
        relative = path[len(top) + 1 :]
        folder = os.path.dirname(relative)
        names[folder] = names.get(folder, 0) + 1
        if len(relative) > LONGEST or relative.count(b"/") > DEEPEST or names[folder] > MOST_NAMES:
            raise Unusual(relative)
        try:
            text = relative.decode()
            target = b"%s/%d" % (into, len(seen))
            if stat.S_ISDIR(status.st_mode):
                if not alive():
                    raise Unusual(relative)
                rows.append(("d", text, ""))
            elif stat.S_ISLNK(status.st_mode):
                leads = os.readlink(path)
                rows.append(("l", text, leads.decode()))
                if leads not in seen:
                    os.symlink(leads, target)
                    seen.add(leads)
            elif stat.S_ISREG(status.st_mode):
                size += status.st_size
                if size > MOST_BYTES:
                    raise Unusual(relative)
                mode = plain_mode(status)
                checksum, status = _copied(path, target, mode, program if mode & 0o111 else plain, seen)
                rows.append(("f", text, checksum))
                seen.add(checksum)
            else:
                raise Unusual(relative)
        except UnicodeDecodeError as error:
            raise Unusual(relative) from error
        looks.append((path, status))
    return rows, size, look_of(looks)


def _copied(
    path: bytes, target: bytes, mode: int, before: bytes, seen: Container[str | bytes]
) -> tuple[str, os.stat_result]:
    """Copy a file whose checksum was not ``seen`` yet; return the SHA-256 of ``before`` and its content, and its status.

    The status is from after it was read.
    """
    reading = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        digest = hashlib.sha256(before)
        rest = parts(reading)
        first = next(rest, b"")
        digest.update(first)
        if len(first) == _AT_ONCE or digest.hexdigest() not in seen:
            writing = os.open(
                target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
            try:
                write_all(writing, first)
                for part in rest:
                    digest.update(part)
                    write_all(writing, part)
                os.fchmod(writing, mode)
                os.utime(writing, ns=(0, 0))
            finally:
                os.close(writing)
            if digest.hexdigest() in seen:  # of a large one, that is known only now
                os.unlink(target)
        return digest.hexdigest(), os.fstat(reading)
    finally:
        os.close(reading)


def look_of(items: Iterable[tuple[bytes, os.stat_result]]) -> str:
    """Return a digest over paths and what their status says of them, whatever their order."""
    listing = hashlib.sha256()
    for path, status in sorted(items, key=lambda item: item[0]):
        facts = (status.st_mode, status.st_dev, status.st_ino, status.st_size)
        listing.update(b"%s\0%d %d %d %d %d %d\0" % (path, *facts, status.st_mtime_ns, status.st_ctime_ns))
    return listing.hexdigest()


def send(stream: Stream, fields: Iterable[bytes]) -> None:
    """Write fields that hold no NUL."""
    content = b"\0".join(fields)
    stream.write(b"%d\n" % len(content) + content)
    stream.flush()


def receive(stream: Stream) -> list[bytes] | None:
    """Return the fields that :func:`send` wrote; None at the end."""
    length = stream.readline()
    if not length.endswith(b"\n"):
        return None
    content = stream.read(int(length))
    return content.split(b"\0") if len(content) == int(length) else None


def answer(request: Iterable[bytes], alive: Callable[[], bool]) -> list[bytes]:
    """Return what :func:`spool` says to (top, into, plain and program in hex) as fields: the look, the bytes, the rows.

    Nothing is returned where it cannot be told: then there is one empty field.
    """
    top, into, plain, program = request
    try:
        rows, size, look = spool(
            top, into, bytes.fromhex(plain.decode()), bytes.fromhex(program.decode()), alive
        )
    except (OSError, Unusual):
        return [b""]
    return [look.encode(), b"%d" % size, *(field.encode() for row in rows for field in row)]


def _serve(parent: int) -> None:
    """Answer requests until the process that made them ends."""
    while (request := receive(sys.stdin.buffer)) is not None:
        send(sys.stdout.buffer, answer(request, lambda: os.getppid() == parent))


def _digests() -> None:
    for folder in sys.stdin.buffer.read().split(b"\0")[:-1]:
        try:
            answer = digest_rows(plain_rows(folder, is_git))
        except (OSError, Special):
            answer = UNKNOWN  # whoever asked reads it himself, and tells what is wrong
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _serve(int(sys.argv[1]))
    else:
        _digests()
