"""Patches: one, a folder, a series; and those that do not apply."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from lithify.definitions.model import LocalSource, PatchSource
from lithify.errors import PinMismatch, SourceError
from lithify.sources.compose import compose
from lithify.sources.kinds import KINDS, SourceContext
from lithify.sources.patch import PatchKind
from lithify.sources.patching import OnePatch, apply_patches
from tests.sources.conftest import Place, fails

KIND = PatchKind()
ORIGINAL = "".join(f"line {number}\n" for number in range(1, 31))


def patch(number: int, text: str, *, file: str = "src/file", strip: str = "a/") -> str:
    """Return a patch that replaces one line."""
    context = [f" line {n}\n" for n in range(number - 3, number)]
    after = [f" line {n}\n" for n in range(number + 1, number + 4)]
    body = [*context, f"-line {number}\n", f"+{text}\n", *after]
    other = strip.replace("a", "b", 1)
    return f"--- {strip}{file}\n+++ {other}{file}\n@@ -{number - 3},7 +{number - 3},7 @@\n{''.join(body)}"


def write(root: Path, **files: str) -> None:
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def composed(place: Place, tmp_path: Path, *patches: PatchSource) -> Path:
    write(place.root, project__src__file=ORIGINAL)
    sources = [LocalSource(path="project"), *patches]
    context = place()
    into = tmp_path / "into"
    into.mkdir()
    compose(sources, {source: KINDS[source.kind].pin(source, context) for source in sources}, into, context)
    return into


def test_one_patch(place: Place, tmp_path: Path) -> None:
    write(place.root, **{"fix.patch": patch(10, "ten")})
    into = composed(place, tmp_path, PatchSource(path="fix.patch"))
    lines = (into / "src/file").read_text().splitlines()
    assert lines[9] == "ten" and len(lines) == 30
    assert sorted(path.name for path in (into / "src").iterdir()) == ["file"], "no .orig is left"
    assert (into / "src/file").stat().st_mtime == 683074800


def test_a_folder_by_name_and_by_series(place: Place, tmp_path: Path) -> None:
    write(
        place.root, **{"p/1.patch": patch(10, "ten"), "p/2.diff": patch(20, "twenty"), "p/README": "no patch"}
    )
    into = composed(place, tmp_path, PatchSource(path="p"))
    text = (into / "src/file").read_text()
    assert "ten\n" in text and "twenty\n" in text
    write(place.root, **{"p/series": "# first\n2.diff\n\nflat -p0 # no folder\n"})
    write(place.root, p__flat=patch(10, "TEN", strip=""))
    (tmp_path / "2").mkdir()
    text = (composed(place, tmp_path / "2", PatchSource(path="p")) / "src/file").read_text()
    assert "TEN\n" in text and "twenty\n" in text


def test_what_a_patch_makes(place: Place, tmp_path: Path) -> None:
    made = (
        "diff --git a/run b/run\nnew file mode 100755\n--- /dev/null\n+++ b/run\n@@ -0,0 +1 @@\n+#!/bin/sh\n"
    )
    gone = "--- a/src/file\n+++ /dev/null\n@@ -1,30 +0,0 @@\n" + "".join(f"-line {n}\n" for n in range(1, 31))
    write(place.root, **{"p/1.patch": made, "p/2.patch": gone})
    into = composed(place, tmp_path, PatchSource(path="p"))
    assert (into / "run").stat().st_mode & 0o777 == 0o755
    assert not (into / "src/file").exists()


def test_one_that_does_not_apply(place: Place, tmp_path: Path) -> None:
    twice = patch(10, "ten") + patch(20, "twenty").split("\n", 2)[2]
    write(
        place.root, **{"p/good.patch": patch(25, "x"), "p/late.patch": twice.replace("-line 20", "-LINE 20")}
    )
    with fails(SourceError, "p: the patch late.patch does not apply", "hunk #2 of src/file", "line 17"):
        composed(place, tmp_path, PatchSource(path="p"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (patch(10, "ten", file="src/nothing"), "changes a file that is not there (is `strip` right?)"),
        (patch(10, "ten") * 2, "src/file has it already"),
        ("no patch at all\n", "Only garbage was found"),
        (patch(10, "ten")[:-20], ""),
        (patch(10, "ten", file="../../evil"), ""),
        (patch(10, "ten", file="/tmp/evil", strip=""), ""),
    ],
)
def test_patches_that_are_none(text: str, said: str, place: Place, tmp_path: Path) -> None:
    write(place.root, **{"bad.patch": text})
    with fails(SourceError, "the patch bad.patch does not apply", said):
        composed(place, tmp_path, PatchSource(path="bad.patch"))
    assert not list(tmp_path.rglob("evil"))


def test_a_link_is_not_patched_through(place: Place, tmp_path: Path) -> None:
    write(tmp_path, victim=ORIGINAL)
    write(place.root, project__src__file=ORIGINAL, **{"x.patch": patch(10, "ten", file="link")})
    (place.root / "project/link").symlink_to(tmp_path / "victim")
    with fails(SourceError, "the patch x.patch does not apply"):
        composed(place, tmp_path, PatchSource(path="x.patch"))
    assert (tmp_path / "victim").read_text() == ORIGINAL


def test_an_applied_patch(place: Place, tmp_path: Path) -> None:
    write(place.root, **{"x.patch": patch(10, "ten")})
    with fails(SourceError, "the patch x.patch does not apply: src/file has it already"):
        composed(place, tmp_path, PatchSource(path="x.patch"), PatchSource(path="x.patch", strip=1, into=""))


def test_fuzz(context: SourceContext, tmp_path: Path) -> None:
    write(tmp_path, tree__src__file=ORIGINAL.replace("line 13\n", "LINE 13\n"), fix=patch(10, "ten"))
    one = OnePatch(name="fix", path=tmp_path / "fix", strip=1)
    with fails(SourceError, "own: the patch fix does not apply: hunk #1 of src/file"):
        apply_patches([one], tmp_path / "tree", context, owner="own", exact=True)
    apply_patches([one], tmp_path / "tree", context, owner="own", exact=False)
    assert "ten\n" in (tmp_path / "tree/src/file").read_text()


def test_compressed(context: SourceContext, tmp_path: Path) -> None:
    write(tmp_path, tree__src__file=ORIGINAL)
    (tmp_path / "x.gz").write_bytes(gzip.compress(patch(10, "ten").encode()))
    one = OnePatch(name="x.gz", path=tmp_path / "x.gz", strip=1, compressed=True)
    apply_patches([one], tmp_path / "tree", context, owner="own", exact=True)
    assert "ten\n" in (tmp_path / "tree/src/file").read_text()


def test_the_content_is_the_pin(place: Place, tmp_path: Path) -> None:
    write(place.root, **{"p/1.patch": patch(10, "ten"), "p/2.patch": patch(20, "twenty")})
    context = place()
    source = PatchSource(path="p")
    pin = KIND.pin(source, context)
    (place.root / "p/1.patch").rename(place.root / "p/0.patch")
    assert KIND.pin(source, context).digest_data == pin.digest_data, "names do not count"
    write(place.root, **{"p/series": "2.patch\n0.patch\n"})
    assert KIND.pin(source, context).digest_data != pin.digest_data, "order does"
    assert KIND.pin(PatchSource(path="p", strip=0), context).digest_data != pin.digest_data
    with fails(PinMismatch, "p were changed"):
        KIND.unpack(source, pin, tmp_path, context)


def test_patches_that_are_not_there(place: Place) -> None:
    (place.root / "empty").mkdir()
    context = place()
    with fails(SourceError, "no patch in the folder empty", "series"):
        KIND.pin(PatchSource(path="empty"), context)
    write(place.root, p__series="gone.patch\n")
    with fails(SourceError, "series, line 1", "gone.patch"):
        KIND.pin(PatchSource(path="p"), context)
    write(place.root, p__series="../../../etc/passwd\n")
    with fails(SourceError, "series, line 1"):
        KIND.pin(PatchSource(path="p"), context)
    with fails(SourceError, "no file or folder nothing"):
        KIND.pin(PatchSource(path="nothing"), context)
