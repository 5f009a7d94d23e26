"""A download that is cut off anywhere, or brings something else: a clear failure, nothing kept, and the next one is right."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from lithify.definitions.model import ArchiveSource
from lithify.errors import FetchError, PinMismatch
from lithify.sources.archive import ArchiveKind
from lithify.sources.kinds import SourceContext
from tests.sources.conftest import Server

pytestmark = pytest.mark.slow

KIND = ArchiveKind()
NAME = "/p-1.0.tar"


@pytest.fixture
def content(server: Server) -> bytes:
    made = Random(6).randbytes(200_000)
    server.put(NAME[1:], made)
    return made


def kept(context: SourceContext) -> list[Path]:
    return list((context.cache.sources / "archives").iterdir())


def test_cut_off_at_any_byte(content: bytes, server: Server, context: SourceContext) -> None:
    source = ArchiveSource(url=f"{server.url}{NAME}")
    pin = KIND.pin(source, context)
    (whole,) = kept(context)
    whole.unlink()
    random = Random(6)
    for _ in range(100):
        server.cut_after[NAME] = random.randrange(len(content))
        with pytest.raises(FetchError, match="cannot fetch"):
            KIND.fetch(source, pin, context)
        assert kept(context) == []
    server.cut_after.clear()
    KIND.fetch(source, pin, context)
    assert whole.read_bytes() == content


def test_a_wrong_byte_anywhere(content: bytes, server: Server, context: SourceContext) -> None:
    source = ArchiveSource(url=f"{server.url}{NAME}")
    pin = KIND.pin(source, context)
    (whole,) = kept(context)
    whole.unlink()
    random = Random(6)
    for number in range(60):
        at = random.randrange(len(content))
        wrong = (
            content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :],
            content + content[:at],  # sent twice, in part
            content[at:],
        )[number % 3]
        server.instead[NAME] = wrong
        with pytest.raises(
            (PinMismatch, FetchError), match=r"not what is pinned|is longer than|stopped after"
        ):
            KIND.fetch(source, pin, context)
        assert kept(context) == []
    server.instead.clear()
    KIND.fetch(source, pin, context)
    assert whole.read_bytes() == content
