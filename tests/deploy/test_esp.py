"""The EFI system partition: what firmware and boot loader find there, and the same bytes again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lithify.deploy.esp import ENTRY, REMOVABLE_PATH, boot_files, parse_entry, read_esp, write_esp
from lithify.deploy.layout import MIB
from lithify.process import ProgramFailed
from tests.deploy.trees import digest_of, tool


def make_esp(place: Path, sources: dict[str, Path | bytes]) -> Path:
    place.mkdir()
    write_esp(place / "esp.img", sources, size=40 * MIB, volume_id="0badcafe", scratch=place)
    return place / "esp.img"


def test_it_holds_what_it_was_given_and_is_sound(tmp_path: Path) -> None:
    kernel = tmp_path / "kernel"
    kernel.write_bytes(os.urandom(3 * MIB))
    sources: dict[str, Path | bytes] = {
        REMOVABLE_PATH: b"loader",
        "vmlinuz-6.1.0-50-cloud-amd64+ä": kernel,
        **boot_files("a system", "vmlinuz", "console=ttyS0"),
    }
    image = make_esp(tmp_path / "esp", sources)
    tool("fsck.vfat", "-n", image)
    for path, source in sources.items():
        expected = source if isinstance(source, bytes) else source.read_bytes()
        assert read_esp(image, 0, path) == expected, path
    assert "1991-08-24" in tool("mdir", "-i", image, "::")
    with pytest.raises(ProgramFailed, match="mtype"):
        read_esp(image, 0, "nothing")


def test_an_empty_one_is_sound(tmp_path: Path) -> None:
    tool("fsck.vfat", "-n", make_esp(tmp_path / "esp", {}))


def test_bytes_depend_on_the_sources_alone(tmp_path: Path) -> None:
    files: dict[str, Path | bytes] = {**boot_files("s", "k", "quiet")}
    one = tmp_path / "one"
    one.write_bytes(b"kernel")
    first = make_esp(tmp_path / "first", {**files, "k": one})
    two = tmp_path / "another name"
    two.write_bytes(b"kernel")
    os.utime(two, (1, 1))
    second = make_esp(tmp_path / "second", {"k": two, **dict(reversed(files.items()))})
    assert digest_of(first) == digest_of(second)


def test_a_boot_entry_is_read_as_it_was_written() -> None:
    files = boot_files("My system", "vmlinuz-6.1", 'root=/dev/x a="b c" lithify.system=s')
    assert files["loader/loader.conf"] == f"default {ENTRY}\ntimeout 0\n".encode()
    text = files[f"loader/entries/{ENTRY}"].decode()
    assert text.splitlines()[0] == "title My system"
    assert parse_entry(text) == ("vmlinuz-6.1", 'root=/dev/x a="b c" lithify.system=s')
    assert parse_entry("title nothing else\n") == ("", "")
