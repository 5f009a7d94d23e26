"""Commits are signed as the settings say, with real keys, and `fsck --signatures` tells what no trusted key vouches for."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.structs import replace

from lithify.process import find_program
from tests.build.definitions import small_tree
from tests.inside import folder_of, make_ordinary_user
from tests.program import Program

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_program("gpg") is None, reason="gpg is not installed"),
    pytest.mark.skipif(find_program("openssl") is None, reason="openssl is not installed"),
]


class Keys(Struct, frozen=True, kw_only=True):
    """Two of each kind of key: ours, and a stranger's."""

    folder: Path

    @property
    def gnupg(self) -> Path:
        return self.folder / "gnupg"

    def public(self, name: str) -> str:
        return str(self.folder / f"{name}.public")

    def secret(self, name: str) -> str:
        return str(self.folder / f"{name}.pem")


def make_keys(folder: Path) -> Keys:
    keys = Keys(folder=folder)
    keys.gnupg.mkdir(mode=0o700)
    gpg = ["gpg", "--batch", "--quiet", "--homedir", str(keys.gnupg)]
    for name in ("ours", "other"):
        line = [*gpg, "--pinentry-mode", "loopback", "--passphrase", "", "--quick-gen-key"]
        subprocess.run(
            [*line, f"{name}@example.com", "ed25519", "sign", "never"], check=True, capture_output=True
        )
        exported = subprocess.run([*gpg, "--export", f"{name}@example.com"], check=True, capture_output=True)
        Path(keys.public(f"gpg-{name}")).write_bytes(exported.stdout)
        pem = keys.secret(name)
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", pem], check=True)
        subprocess.run(["openssl", "pkey", "-in", pem, "-pubout", "-out", keys.public(name)], check=True)
    return keys


def end_agent(keys: Keys) -> None:
    subprocess.run(["gpgconf", "--homedir", keys.gnupg, "--kill", "gpg-agent"], check=True)


@pytest.fixture(scope="module")
def keys() -> Iterator[Keys]:
    with folder_of(None) as folder:
        made = make_keys(folder)
        yield made
        end_agent(made)


def built(folder: Path, *settings: str) -> Program:
    program = Program(folder=folder, definitions=small_tree(folder / "definitions"), settings=settings)
    program.done("build", "small")
    return program


def checked(program: Program, *trusted: str) -> list[tuple[str, str]]:
    """Return (name, reason) of each signature that does not count."""
    options = [word for key in trusted for word in ("--trusted-keys", key)]
    said = program.run("fsck", "--signatures", "--json", *options)
    found = json.loads(said.stdout)["damaged"]
    assert said.status == (1 if found else 0)
    assert {damage["what"] for damage in found} <= {"signature"}
    return sorted({(owner["name"], damage["reason"]) for damage in found for owner in damage["belongs-to"]})


EVERYTHING = ("app", "lib", "odd", "shell", "small")


def test_builds_signed_by_gpg(keys: Keys) -> None:
    with folder_of(None) as folder:
        program = built(folder, "--sign-gpg", "ours@example.com", "--gpg-homedir", str(keys.gnupg))
        assert checked(program, keys.public("gpg-ours")) == []
        stranger = [(name, "is not signed by a trusted key") for name in EVERYTHING]
        assert checked(program, keys.public("gpg-other")) == stranger
        unsigned = replace(program, settings=())
        lib = program.definitions / "lib" / "source"
        lib.write_text(lib.read_text() + "more\n")
        unsigned.done("build", "small", "lib")
        assert checked(program, keys.public("gpg-ours")) == [("lib", "is not signed")]
        tell = program.run("fsck", "--signatures", "--trusted-keys", keys.public("gpg-ours"))
        assert "    of chunk lib [" in tell.stdout
        assert "build it again with a key that is trusted" in tell.stdout
        assert tell.stderr.endswith(" is damaged\n")


def test_builds_signed_by_ed25519(keys: Keys) -> None:
    with folder_of(None) as folder:
        program = built(folder, "--sign-ed25519", keys.secret("ours"))
        assert checked(program, keys.public("ours")) == []
        assert checked(program, keys.public("other"), keys.public("gpg-ours")) == [
            (name, "is not signed by a trusted key") for name in EVERYTHING
        ]
        assert program.done("fsck").stdout.endswith(": all sound\n")


def test_both_kinds_and_either_suffices(keys: Keys) -> None:
    with folder_of(None) as folder:
        gpg = ("--sign-gpg", "ours@example.com", "--gpg-homedir", str(keys.gnupg))
        program = built(folder, *gpg, "--sign-ed25519", keys.secret("ours"))
        assert checked(program, keys.public("ours")) == []
        assert checked(program, keys.public("gpg-ours")) == []


def test_an_ordinary_user_signs_by_the_own_agent() -> None:
    user = make_ordinary_user()
    with folder_of(user) as folder:
        made = make_keys(folder)
        subprocess.run(["chown", "-R", user, folder], check=True)
        end_agent(made)
        definitions = small_tree(folder / "definitions")
        subprocess.run(["chown", "-R", user, definitions], check=True)
        signing = ("--sign-gpg", "ours@example.com", "--gpg-homedir", str(made.gnupg))
        program = Program(folder=folder, definitions=definitions, settings=signing, user=user)
        program.done("build", "small")
        assert checked(program, made.public("gpg-ours")) == []
        subprocess.run(
            ["runuser", "-u", user, "--", "gpgconf", "--homedir", made.gnupg, "--kill", "all"], check=True
        )


def test_a_key_that_cannot_sign_is_told_before_anything_is_built(keys: Keys) -> None:
    with folder_of(None) as folder:
        definitions = small_tree(folder / "definitions")
        for settings in (
            ("--sign-gpg", "nobody@example.com", "--gpg-homedir", str(keys.gnupg)),
            ("--sign-ed25519", str(folder / "nothing.pem")),
        ):
            said = Program(folder=folder, definitions=definitions, settings=settings).run("build", "small")
            assert (said.status, said.stdout) == (1, "")
            assert said.stderr.startswith("ERROR: commits cannot be signed: ")
            assert "started" not in said.stderr


def test_keys_to_trust_are_asked_for(keys: Keys, tmp_path: Path) -> None:
    program = Program(folder=tmp_path, definitions=tmp_path)
    program.cache.mkdir()
    none = program.run("fsck", "--signatures")
    assert (none.status, none.stdout) == (2, "")
    assert none.stderr.startswith(
        "ERROR: no key is trusted: the setting trusted-keys is empty\nhint: gpg --export"
    )
    (tmp_path / "text").write_text("no key\n")
    wrong = program.run("fsck", "--signatures", "--trusted-keys", "text")
    assert wrong.status == 2
    assert "neither an OpenPGP keyring nor a public key as PEM" in wrong.stderr
