"""A small signed Debian archive, served over HTTP, with packages made in the test."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from lithify.sources.debian_host import DebianHost
from tests.sources.archives import Entry, package
from tests.sources.conftest import Server


class Pool:
    """Packages and their signed index; ``publish`` after each change."""

    def __init__(self, server: Server, key: tuple[Path, Path]) -> None:
        self._server = server
        self._gpg_home, self._public = key
        self._binaries: dict[str, str] = {}
        self._sources: dict[str, str] = {}

    def add(self, name: str, version: str, *entries: Entry, **fields: str) -> str:
        """Put a package into the pool in place of any of that name; return its path."""
        arch = fields.pop("Architecture", "amd64")
        head = {
            "Package": name,
            "Version": version,
            "Architecture": arch,
            "Maintainer": "T <t@example.invalid>",
        }
        stanza = "".join(
            f"{field.replace('_', '-')}: {value}\n" for field, value in {**head, **fields}.items()
        )
        content = package(*entries, control=f"{stanza}Description: test\n")
        path = f"pool/main/{name[0]}/{name}/{name}_{version.split(':')[-1]}_{arch}.deb"
        self._server.put(path, content)
        self._binaries[name] = f"{stanza}Filename: {path}\n{_sums(content)}Description: test\n"
        return path

    def add_source(self, name: str, version: str, files: dict[str, bytes]) -> None:
        """Put a source package into the pool."""
        folder = f"pool/main/{name[0]}/{name}"
        description = f"Format: 3.0 (quilt)\nSource: {name}\nVersion: {version}\n"
        all_files = {**files, f"{name}_{version}.dsc": description.encode()}
        sums = ""
        for file, content in all_files.items():
            self._server.put(f"{folder}/{file}", content)
            sums += f"\n {hashlib.sha256(content).hexdigest()} {len(content)} {file}"
        md5 = "".join(
            f"\n {hashlib.md5(content).hexdigest()} {len(content)} {file}"
            for file, content in all_files.items()
        )
        self._sources[name] = (
            f"Package: {name}\nBinary: {name}\nVersion: {version}\nArchitecture: any\nFormat: 3.0 (quilt)\n"
            f"Directory: {folder}\nFiles:{md5}\nChecksums-Sha256:{sums}\n"
        )

    def publish(self) -> DebianHost:
        """Write and sign the index; return a host that is set to this archive."""
        indexes = {
            "main/binary-amd64/Packages": "\n".join(self._binaries.values()).encode(),
            "main/source/Sources": "\n".join(self._sources.values()).encode(),
        }
        release = "Origin: Debian\nSuite: stable\nCodename: rock\nArchitectures: amd64\nComponents: main\n"
        release += "Date: Mon, 01 Jan 2024 00:00:00 UTC\nSHA256:\n"
        for path, content in indexes.items():
            self._server.put(f"dists/rock/{path}", content)
            release += f" {hashlib.sha256(content).hexdigest()} {len(content)} {path}\n"
        signed = subprocess.run(
            ["gpg", "--homedir", str(self._gpg_home), "--batch", "--clearsign"],
            input=release.encode(),
            check=True,
            capture_output=True,
        ).stdout
        self._server.put("dists/rock/InRelease", signed)
        return DebianHost(archives=(("rock", f"{self._server.url}/"),), keyring=str(self._public))


def _sums(content: bytes) -> str:
    return f"Size: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n"
