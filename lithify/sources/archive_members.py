"""What is in an archive: tar, zip and Debian packages, of any compression, as a stream of members.

Runs in the sandbox, below :mod:`lithify.sources.unpacker`; imports only what Python has, and little of that.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import queue
import stat
import subprocess
import sys
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import IO, Any, cast

BLOCK = 1 << 20
_LONGEST_LINK = 4096
_CAPABILITY = "SCHILY.xattr.security.capability"

DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,
    LookupError,
    OverflowError,
    RecursionError,
    RuntimeError,  # zipfile: an unknown compression
)
"""What reading a damaged archive raises, beside :class:`Refused` and an ``OSError`` without a number."""


class Refused(Exception):
    """Content that is not unpacked; ``kind``: ``unsafe``, ``damaged`` or ``limit``."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Member:
    """One entry of an archive, of whatever kind."""

    __slots__ = ("capability", "content", "gid", "kind", "link", "mode", "name", "size", "uid")

    def __init__(self, name: str, kind: str, mode: int, content: IO[bytes] | None = None) -> None:
        self.name = name
        self.kind = kind
        """``dir``, ``file``, ``symlink``, ``hardlink``, or what is refused: ``device``, ``fifo``."""
        self.mode = mode & 0o7777
        self.uid = 0
        self.gid = 0
        self.size = 0
        self.link = ""
        self.capability = b""
        self.content = content


class Ahead:
    """Reads a stream in a thread of its own: decompression goes on while files are written."""

    def __init__(self, file: IO[bytes], open_stream: Callable[[], IO[bytes]]) -> None:
        self._file = file
        self._open = open_stream
        self._blocks: queue.Queue[bytes | BaseException] = queue.Queue(maxsize=16)
        self._left = b""
        self._ended = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes; fewer only at the end."""
        parts: list[bytes] = []
        wanted = size if size >= 0 else sys.maxsize
        while wanted > 0:
            if not self._left:
                if self._ended:
                    break
                block = self._blocks.get()
                if isinstance(block, BaseException):
                    self._ended = True
                    raise block
                self._ended = not block
                self._left = block
                continue
            part = self._left[:wanted]
            self._left = self._left[len(part) :]
            wanted -= len(part)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """End the thread and close the stream."""
        self._stop.set()
        while self._thread.is_alive():
            try:
                self._blocks.get(timeout=0.05)
            except queue.Empty:
                pass  # it is between two blocks

    def _run(self) -> None:
        try:
            with closing(self._file), closing(self._open()) as stream:
                while not self._stop.is_set():
                    block = stream.read(BLOCK)
                    self._blocks.put(block)
                    if not block:
                        return
        except (Refused, OSError, MemoryError, *DAMAGED) as error:
            self._blocks.put(error)


class _TarMember(tarfile.TarInfo):
    """A header; one that is damaged is an error, where ``tarfile`` takes it for the end of the archive."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> _TarMember:
        try:
            return super().fromtarfile(tar)
        except tarfile.HeaderError as error:
            if type(error).__name__ in ("InvalidHeaderError", "TruncatedHeaderError"):
                raise tarfile.ReadError(f"no tar archive, or a damaged one: {error}") from error
            raise


def tar_members(stream: IO[bytes]) -> Iterator[Member]:
    """Yield what a tar stream holds; a file's content can be read until the next is asked for."""
    with tarfile.open(
        fileobj=stream,
        mode="r|",
        bufsize=BLOCK,
        tarinfo=_TarMember,
        encoding="utf-8",
        errors="surrogateescape",
    ) as tar:
        for info in tar:
            cast(Any, tar).members.clear()  # it keeps them all
            yield _tar_member(tar, info)


def _tar_member(tar: tarfile.TarFile, info: tarfile.TarInfo) -> Member:
    kind = "device"
    if info.isdir():
        kind = "dir"
    elif info.issym():
        kind = "symlink"
    elif info.islnk():
        kind = "hardlink"
    elif info.isfifo():
        kind = "fifo"
    elif info.isfile():
        kind = "file"
    elif not info.isdev():
        raise Refused("unsafe", f"{info.name} is of an unknown type {info.type!r}")
    member = Member(info.name, kind, info.mode, tar.extractfile(info) if kind == "file" else None)
    member.uid, member.gid, member.link = info.uid, info.gid, info.linkname
    member.size = info.size if kind == "file" else 0
    member.capability = info.pax_headers.get(_CAPABILITY, "").encode("utf-8", "surrogateescape")
    return member


def zip_members(file: IO[bytes]) -> Iterator[Member]:
    """Yield what a zip file holds."""
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            if info.flag_bits & 1:
                raise Refused("damaged", f"{info.filename} is encrypted")
            if info.is_dir():
                yield Member(info.filename, "dir", 0o755)
                continue
            kind = stat.S_IFMT(mode)
            if kind not in (0, stat.S_IFREG, stat.S_IFLNK):
                yield Member(info.filename, "device", mode)
                continue
            with archive.open(info) as content:
                member = Member(info.filename, "file", mode or 0o644, content)
                member.size = info.file_size
                if kind == stat.S_IFLNK:
                    member.kind, member.link = "symlink", os.fsdecode(content.read(_LONGEST_LINK))
                yield member


def deb_data(file: IO[bytes]) -> IO[bytes]:
    """Return the compressed file tree of a Debian package (deb(5)): the member ``data.tar.*`` of an ar archive."""
    if file.read(8) != b"!<arch>\n":
        raise Refused("damaged", "not a Debian package")
    while header := file.read(60):
        if len(header) < 60 or header[58:] != b"`\n" or not header[48:58].strip().isdigit():
            break
        size = int(header[48:58])
        if header[:16].rstrip().rstrip(b"/").startswith(b"data.tar"):
            return cast("IO[bytes]", Part(file, size))
        file.seek(size + size % 2, os.SEEK_CUR)
    raise Refused("damaged", "a Debian package without data.tar")


class Part:
    """The next ``size`` bytes of a file, as a file."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = size

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes; fewer at the end."""
        block = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(block)
        return block

    def peek(self, size: int) -> bytes:
        """Return bytes that are read again."""
        position = self._file.tell()
        block = self._file.read(min(size, self._left))
        self._file.seek(position)
        return block

    def close(self) -> None:
        """Close the whole file."""
        self._file.close()


def decompressed(file: Any) -> IO[bytes]:
    """Return a stream of what a compressed file holds; of one that is not compressed, the file itself."""
    magic = bytes(file.peek(6)[:6])
    if magic.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    if magic.startswith(b"BZh"):
        return cast("IO[bytes]", bz2.BZ2File(file))
    if magic.startswith((b"\xfd7zXZ", b"\x5d\x00\x00")):
        return cast("IO[bytes]", lzma.LZMAFile(file))
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        return cast("IO[bytes]", Zstd(file))
    if magic.startswith(b"LZIP"):
        raise Refused("damaged", "lzip is not a compression that lithify knows (gzip, bzip2, xz, lzma, zstd)")
    return cast("IO[bytes]", file)


class Zstd:
    """What a zstd file holds, as a stream; Python has no zstd before 3.14, so the host's program does it."""

    def __init__(self, file: Any) -> None:
        with open(os.memfd_create("zstd"), "w+b") as whole:
            while block := file.read(BLOCK):
                whole.write(block)
            whole.seek(0)
            file.close()
            try:
                self._child = subprocess.Popen(["zstd", "-dcq"], stdin=whole, stdout=subprocess.PIPE)
            except FileNotFoundError as error:
                raise Refused("damaged", "it needs the program zstd, which is not installed") from error

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes; fewer at the end."""
        assert self._child.stdout is not None
        return self._child.stdout.read(size)

    def close(self) -> None:
        """End the program."""
        self._child.kill()
        with self._child:
            pass


def open_archive(path: str, kind: str) -> tuple[str, Any]:
    """Return (``zip`` or ``tar``, a file) for an archive; ``kind``: ``deb``, or "" for whatever it is."""
    file = open(path, "rb")
    if kind == "deb":
        return "tar", Ahead(file, lambda: decompressed(deb_data(file)))
    if file.peek(4)[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "zip", file
    return "tar", Ahead(file, lambda: decompressed(file))
