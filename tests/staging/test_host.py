"""The fingerprint of the host, which stands in the keys of what is built on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lithify.staging import host
from lithify.staging.host import fingerprint


def test_the_fingerprint_is_the_same_each_time() -> None:
    assert fingerprint() == fingerprint()
    assert len(fingerprint()) == 64


def test_another_compiler_is_another_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "cc"
    monkeypatch.setattr(host, "_ASKED", (str(compiler),))
    prints = [fingerprint()]
    for version in ("12.2", "14.2"):
        compiler.write_text(f"#!/bin/sh\necho cc {version}\necho a second line $$\n")
        compiler.chmod(0o755)
        prints += [fingerprint(), fingerprint()]
    assert prints[1] == prints[2]
    assert prints[3] == prints[4]
    assert len(set(prints)) == 3
