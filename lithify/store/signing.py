"""Signatures of commits: made by :mod:`lithify.store.signer`, kept where OSTree looks for them, checked by trusted keys."""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import tempfile
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec import Struct

from lithify.errors import HostError, StoreError, UsageError
from lithify.process import run, start, tool_environment
from lithify.store.gobject import Gio, GLib, ostree_errors
from lithify.store.signer import ED25519, GPG

_ROOT = Path(__file__).resolve().parents[2]
_SERVE = (
    "import sys; sys.path[:0] = [sys.argv[1]]; "
    "from lithify.store.signer import serve; serve(sys.stdin, sys.stdout)"
)


class SigningKeys(Struct, frozen=True, kw_only=True):
    """With which keys commits are signed; all empty where they are not."""

    gpg: str = ""
    """What gpg knows the key by."""
    gpg_homedir: str = ""
    ed25519: str = ""
    """A file that holds the secret key as PEM."""

    def __bool__(self) -> bool:
        """Return whether anything is signed."""
        return bool(self.gpg or self.ed25519)


class Signer:
    """Signs bytes; may be used from several threads. Close it at the end."""

    def __init__(self, keys: SigningKeys, environment: Mapping[str, str]) -> None:
        """Start the signing process, and have it sign once; no namespace may have been entered yet.

        ``environment`` is the caller's, by which gpg finds its keys and its agent. Raises :class:`HostError` where the keys
        cannot be used.
        """
        self._lock = threading.Lock()
        # a session of its own: Ctrl-C lets a build that is being published end, and so its signature
        self._child = start(
            [sys.executable, "-c", _SERVE, str(_ROOT)],
            env=tool_environment(),
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            new_session=True,
        )
        atexit.register(self.close)
        order = {
            "gpg": keys.gpg,
            "gpg-homedir": keys.gpg_homedir,
            "ed25519": keys.ed25519,
            "environment": {**tool_environment(), **environment},
        }
        self._write(json.dumps(order))
        self.sign(b"can these keys be used?")

    def sign(self, data: bytes) -> dict[str, bytes]:
        """Return signatures of ``data`` by the name that OSTree keeps each kind under."""
        with self._lock:
            self._write(b64encode(data).decode())
            assert self._child.stdout is not None
            answer = self._child.stdout.readline().decode().strip()
        if not answer.startswith("{"):
            raise HostError(
                f"commits cannot be signed: {answer.removeprefix('!') or 'the signing process ended'}",
                hints=["the settings sign-gpg, gpg-homedir and sign-ed25519 name the keys"],
            )
        return {kind: b64decode(signature) for kind, signature in json.loads(answer).items()}

    def close(self) -> None:
        """End the signing process; done at the program's end where nobody did."""
        atexit.unregister(self.close)
        with self._child, suppress(BrokenPipeError):
            assert self._child.stdin is not None
            self._child.stdin.close()

    def _write(self, line: str) -> None:
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(f"{line}\n".encode())
            self._child.stdin.flush()
        except BrokenPipeError:
            return  # the answer that does not come says so


def attach(repo: Any, place: Path, checksum: str, signatures: Mapping[str, bytes]) -> None:
    """Keep signatures of a commit, in place of earlier ones of the same kinds."""
    with ostree_errors(place, "keeping a signature"):
        _, known = repo.read_commit_detached_metadata(checksum, None)
        entries = {} if known is None else {name: known.lookup_value(name, None) for name in known.unpack()}
        entries |= {kind: GLib.Variant("aay", [signature]) for kind, signature in signatures.items()}
        repo.write_commit_detached_metadata(checksum, GLib.Variant("a{sv}", entries), None)


class TrustedKeys(Struct, frozen=True, kw_only=True):
    """Whose signatures count."""

    gpg: Path
    """A folder of keyrings."""
    ed25519: Sequence[Path]
    """Public keys as PEM."""


@contextmanager
def trusted_keys(files: Sequence[Path]) -> Iterator[TrustedKeys]:
    """Yield the keys in files: PEM is an ed25519 key, all else a keyring as ``gpg --export`` writes it.

    Raises :class:`UsageError` for none at all, and for a file that is neither.
    """
    if not files:
        raise UsageError(
            "no key is trusted: the setting trusted-keys is empty",
            hints=["gpg --export KEY >trusted.gpg, then --trusted-keys trusted.gpg"],
        )
    pems = []
    with tempfile.TemporaryDirectory(prefix="lithify-keys-") as folder:
        for number, file in enumerate(files):
            try:
                content = file.read_bytes()
            except OSError as error:
                raise UsageError(f"trusted-keys {file}: {error.strerror}") from error
            if content.startswith(b"-----BEGIN PUBLIC KEY-----"):
                pems.append(file)
            elif content[:1] >= b"\x80":  # the first bit of each OpenPGP packet
                Path(folder, f"{number}.gpg").write_bytes(content)
            else:
                raise UsageError(
                    f"trusted-keys {file}: neither an OpenPGP keyring nor a public key as PEM",
                    hints=["an armoured key is made a keyring by `gpg --dearmor`"],
                )
        yield TrustedKeys(gpg=Path(folder), ed25519=pems)


def signature_fault(repo: Any, place: Path, checksum: str, data: bytes, trusted: TrustedKeys) -> str:
    """Return why a commit's signatures do not count; empty where one of a trusted key is right.

    ``data``: the commit object's bytes.
    """
    try:
        with ostree_errors(place, "reading signatures"):
            _, known = repo.read_commit_detached_metadata(checksum, None)
    except StoreError as error:
        return f"has signatures that cannot be read: {error.message}"
    kept = {} if known is None else known.unpack()
    if not kept.get(GPG) and not kept.get(ED25519):
        return "is not signed"
    if kept.get(GPG) and _gpg_is_right(repo, place, checksum, trusted):
        return ""
    for signature in kept.get(ED25519, ()):
        if any(_ed25519_is_right(data, bytes(signature), key) for key in trusted.ed25519):
            return ""
    return "is not signed by a trusted key"


def _gpg_is_right(repo: Any, place: Path, checksum: str, trusted: TrustedKeys) -> bool:
    folder = Gio.File.new_for_path(str(trusted.gpg))
    try:
        with ostree_errors(place, "checking a signature"):
            return bool(repo.verify_commit_ext(checksum, folder, None, None).count_valid())
    except StoreError:
        return False


def _ed25519_is_right(data: bytes, signature: bytes, key: Path) -> bool:
    with tempfile.TemporaryDirectory(prefix="lithify-sign-") as folder:
        Path(folder, "data").write_bytes(data)
        Path(folder, "signature").write_bytes(signature)
        line = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", str(key)]
        line += ["-in", f"{folder}/data", "-sigfile", f"{folder}/signature"]
        return run(line, expected=None).returncode == 0
