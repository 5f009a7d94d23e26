"""Archives made in memory, honest and hostile ones."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable

Entry = tuple[str, dict[str, object], bytes]
"""Name, fields of the header, content."""


def file(name: str, content: bytes = b"x", **fields: object) -> Entry:
    return name, {"type": tarfile.REGTYPE, "mode": 0o644, **fields}, content


def folder(name: str, **fields: object) -> Entry:
    return name, {"type": tarfile.DIRTYPE, "mode": 0o755, **fields}, b""


def link(name: str, target: str) -> Entry:
    return name, {"type": tarfile.SYMTYPE, "linkname": target, "mode": 0o777}, b""


def hard_link(name: str, target: str) -> Entry:
    return name, {"type": tarfile.LNKTYPE, "linkname": target}, b""


def special(name: str, kind: bytes) -> Entry:
    return name, {"type": kind, "devmajor": 1, "devminor": 3, "mode": 0o666}, b""


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
}


def tar(*entries: Entry, compression: str = "plain") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, fields, content in entries:
            info = tarfile.TarInfo(name)
            for field, value in fields.items():
                setattr(info, field, value)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return COMPRESSIONS[compression](buffer.getvalue())


def zip_file(*entries: tuple[str, bytes, int]) -> bytes:
    """Entries: name, content, mode with the file type."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return buffer.getvalue()


def package(*entries: Entry, compression: str = "xz", control: str = "") -> bytes:
    """Return a Debian package with these files."""
    suffix = {"xz": ".xz", "gzip": ".gz", "plain": ""}[compression]
    parts = [
        ("debian-binary", b"2.0\n"),
        ("control.tar.xz", tar(file("./control", control.encode()), compression="xz")),
        (f"data.tar{suffix}", tar(*entries, compression=compression)),
    ]
    whole = b"!<arch>\n"
    for name, content in parts:
        whole += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
        whole += content + b"\n" * (len(content) % 2)
    return whole
