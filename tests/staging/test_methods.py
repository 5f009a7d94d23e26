"""Every way to make a stack of layers one folder shows the same, and leaves the same behind."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from lithify.build.benches import leftovers, sweep
from lithify.cache import open_cache
from lithify.errors import HostError, NoSpace, UsageError
from lithify.staging.area import each_once, staging_area
from lithify.staging.capture import capture_upper
from lithify.staging.methods import Method, choose, methods_of
from lithify.staging.mounting import MOST_LOWERS, Stack
from lithify.staging.names import names_in_memory
from lithify.staging.syscalls import mount, unmount
from tests.inside import make_ordinary_user, needs_root, run_inside
from tests.staging.areas import METHODS, area, is_possible, need_method, tree_of
from tests.staging.stacks import need_static_shell

OWN = ("bin", "proc", "dev", "tmp", "x.build", "x.inst")


def two_layers(top: Path) -> list[Path]:
    """Return two layers that meet in folders, replace each other's files, and hold whatever a file may have."""
    low, high = top / "low", top / "high"
    for name in ("etc/below", "etc/gone/deep", "kept", "usr/share/doc", "usr/lib", "shared"):
        (low / name).mkdir(parents=True)
    for name in (
        "etc/file",
        "etc/below/old",
        "etc/gone/x",
        "etc/gone/deep/y",
        "kept/one",
        "usr/share/doc/a",
        "usr/lib/z",
    ):
        (low / name).write_text(f"low {name}\n")
    os.link(low / "kept" / "one", low / "kept" / "linked")
    (low / "name with , : and\\").write_text("odd\n")
    os.setxattr(low / "shared", "user.low", b"1")
    for name in ("etc", "usr/share/doc", "shared"):
        (high / name).mkdir(parents=True)
    (high / "etc" / "file").write_text("high\n")
    (high / "etc" / "link").symlink_to("below/old")
    (high / "usr" / "share" / "doc" / "b").write_text("b\n")
    os.chown(high / "usr" / "share" / "doc" / "b", 5, 7)
    os.chmod(high / "usr" / "share" / "doc" / "b", 0o6755)
    os.setxattr(high / "usr" / "share" / "doc" / "b", "user.kept", b"v")
    os.setxattr(
        high / "usr" / "share" / "doc" / "b",
        "security.capability",
        bytes.fromhex("0100000200040000000000000000000000000000"),
    )
    os.chown(high / "shared", 5, 7)
    os.chmod(high / "shared", 0o2775)
    for layer in (low, high):
        for folder, folders, files in os.walk(layer):
            for name in (*folders, *files):
                os.utime(os.path.join(folder, name), ns=(0, 0), follow_symlinks=False)
    return [low, high]


LOOK = (
    "set +x; cat /etc/file /etc/link; find /etc /kept /shared /usr -exec stat -c '%A %u %g %Y %n' {} + | sort"
)
INTEGRATION = """
rm /etc/file
rm -r /etc/gone
rm -r /etc/below; mkdir /etc/below; echo new >/etc/below/new
echo changed >/kept/one; chown 5:7 /kept/one; chmod 4750 /kept/one
mkdir -p /var/cache; echo a >/var/cache/a; ln /var/cache/a /var/cache/b
mv /usr/lib /usr/libraries
ln -s nowhere /var/link
chmod 1777 /shared
rm /etc/link; mkdir /etc/link; echo in >/etc/link/in
rm -r /kept/linked; mkfifo -m 640 /var/pipe
echo scratch >/tmp/scratch
"""


def look_and_change(folder: str, method: str) -> dict[str, object]:
    """Return what a stack shows, what it shows after integration, and what was captured of that."""
    top = Path(folder)
    (top / "reading").mkdir()
    with area(str(top / "reading"), method, layers=two_layers(top)) as opened:
        shown = tree_of(opened.sandbox.root, skip=OWN)
        assert opened.run(LOOK).returncode == 0
    listing = opened.said()
    (top / "writing").mkdir()
    layers = [top / "low", top / "high"]
    with area(str(top / "writing"), method, layers=layers, writable=True) as opened:
        assert opened.run(INTEGRATION).returncode == 0, opened.said()
        after = tree_of(opened.sandbox.root, skip=OWN)
    upper = top / "writing" / "upper"
    changes = capture_upper(upper)
    return {
        "method": opened.method,
        "shown": shown,
        "listing": listing,
        "after": after,
        "applied": applied(shown, changes.removed, changes.opaque, tree_of(upper)),
        "links": changes.manifest.links,
        "devices": [device.path for device in changes.manifest.devices],
    }


def applied(
    below: dict[str, list[object]],
    removed: tuple[str, ...],
    opaque: tuple[str, ...],
    left: dict[str, list[object]],
) -> dict[str, list[object]]:
    """Return a tree with what was captured laid over it."""
    gone = (*removed, *(path for path in left if not str(left[path][0]).startswith("0o4")))
    result = {
        path: entry
        for path, entry in below.items()
        if not any(path == name or path.startswith(f"{name}/") for name in gone)
        and not any(path.startswith(f"{name}/") for name in opaque)
    }
    return {**result, **left}


def without_links(tree: dict[str, list[object]]) -> dict[str, list[object]]:
    """Return a tree without what says which files are one: that is the manifest's to say."""
    return {path: [*entry[:3], str(entry[3]).split(" (is ")[0], entry[4]] for path, entry in tree.items()}


@needs_root
def test_no_room_for_a_staging_area_is_told_as_that(tmp_path: Path) -> None:
    def full(*_: object) -> Callable[[], None]:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "empty"))

    method = Method(name="full", detail="", most_layers=None, mount=full)
    with (
        pytest.raises(NoSpace, match=f"no space left in {tmp_path}: "),
        staging_area(method, [], folder=tmp_path, mount_points=[], upper=None),
    ):
        pytest.fail("nothing was mounted")
    assert os.listdir(tmp_path) == []


def test_what_a_killed_trial_leaves_goes_as_what_a_killed_build_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = open_cache(tmp_path / "cache")
    killing = Method(name="killed", detail="", most_layers=None, mount=lambda *_: os._exit(9))
    monkeypatch.setattr("lithify.staging.methods.methods_of", lambda _: [killing])
    child = os.fork()
    if child == 0:
        try:
            choose(cache)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    (label,) = leftovers(cache)
    assert label.startswith("trial-")
    sweep(cache, lambda label, failed: not failed)
    assert os.listdir(cache.staging) == []
    assert [name for name in os.listdir(cache.locks) if name.startswith("bench-")] == []


@pytest.mark.slow
def test_every_method_shows_and_leaves_the_same(folder: Path, who: str | None) -> None:
    need_static_shell()
    results = {}
    methods = [method for method in METHODS if is_possible(method)]
    for method in methods:
        (folder / method).mkdir(mode=0o777)
        os.chmod(folder / method, 0o777)
        results[method] = run_inside(look_and_change, str(folder / method), method, user=who, open_fuse=True)
    # without lowerdir+, the first method is the second
    alike = tuple(int(part) for part in os.uname().release.split(".")[:2]) < (6, 5)
    assert len({result["method"] for result in results.values()}) == len(methods) - alike
    for result in results.values():
        del result["method"]
        after, from_capture = without_links(result["after"]), without_links(result.pop("applied"))
        after.pop("var/pipe")
        assert from_capture == after
        assert result["links"] == [["var/cache/a", "var/cache/b"]]
        assert result["devices"] == ["var/pipe"]
    first = results["overlay"]
    assert first["shown"]["usr/share/doc/b"][:3] == ["0o106755", 5, 7]
    assert "security.capability" in first["shown"]["usr/share/doc/b"][4]
    for method in methods[1:]:
        assert results[method]["shown"] == first["shown"], method
        assert without_links(results[method]["after"]) == without_links(first["after"]), method
        assert results[method]["listing"] == first["listing"], method


def a_layer_that_comes_back(folder: str) -> list[str]:
    """Mount a stack of which a layer is away at first, as while another command makes it again; return what it shows."""
    top = Path(folder)
    layers = two_layers(top)
    away = top / "away"
    cache = open_cache(top / "cache")
    method = choose(cache, "auto")
    asked: list[str] = []

    def mount(stack: Stack, target: Path, scratch: Path) -> Callable[[], None]:
        asked.append("mount")
        try:
            return method.mount(stack, target, scratch)
        except FileNotFoundError:
            away.rename(layers[0])  # the other command is done now
            raise

    layers[0].rename(away)
    (top / "own").mkdir()
    with staging_area(
        replace(method, mount=mount), layers, folder=top / "own", mount_points=[], upper=None
    ) as root:
        asked.append((root / "etc/file").read_text())
    return asked


def test_a_layer_that_another_command_makes_again_is_waited_for(folder: Path) -> None:
    assert run_inside(a_layer_that_comes_back, str(folder))[:2] == ["mount", "mount"]


def test_root_without_a_user_namespace_gets_the_same(folder: Path) -> None:
    """Where root is refused a user namespace: overlayfs with ``trusted.*`` attributes."""
    need_static_shell()
    if os.geteuid() != 0:
        pytest.skip("only root can do without a user namespace")
    results = []
    for method, enter in (
        ("overlay", "enter"),
        ("overlay-trusted", "enter_as_root"),
        ("overlay-trusted-classic", "enter_as_root"),
    ):
        (folder / method).mkdir()
        results.append(run_inside(look_and_change, str(folder / method), method, enter=enter))
    assert [result.pop("method") for result in results] == [
        "overlay (the kernel's, in a user namespace, by the mount API)",
        "overlay (the kernel's, as root, by the mount API)",
        "overlay (the kernel's, as root, by mount(2))",
    ]
    assert results[0] == results[1] == results[2]


def many(folder: str, method: str, count: int) -> list[object]:
    top = Path(folder)
    layers = []
    for number in range(count):
        layer = top / "a folder whose name is as long as that of a layer, which is its digest" / f"{number}"
        (layer / "all").mkdir(parents=True)
        (layer / "all" / f"of {number}").write_text("")
        (layer / "last").write_text(f"{number}\n")
        layers.append(layer)
    with area(folder, method, layers=layers) as opened:
        end = opened.run("set +x; echo $(ls /all | wc -l) files, last of $(cat /last)")
    return [end.reason, opened.said().splitlines()[-1]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "count"),
    [
        ("overlay", MOST_LOWERS - 3),
        ("overlay-classic", MOST_LOWERS - 3),
        ("fuse-overlayfs", 170),
        ("copy", 600),
    ],
)
def test_stacks_are_high(folder: Path, who: str | None, method: str, count: int) -> None:
    need_static_shell()
    need_method(method)
    end, last = run_inside(many, str(folder), method, count, user=who, open_fuse=True)
    assert end == "exit_code=0"
    assert last == f"{count} files, last of {count - 1}"


def too_high(folder: str) -> str:
    try:
        many(folder, "overlay", MOST_LOWERS - 2)
    except HostError as error:
        return error.message
    return "mounted"


def test_a_stack_that_is_too_high_is_refused(folder: Path) -> None:
    need_static_shell()
    assert run_inside(too_high, str(folder)) == "499 layers are more than overlay can mount: 498"


def odd_place(folder: str) -> list[str]:
    top = Path(folder) / "a, b:c\\d 'e'\n"
    top.mkdir()
    with area(str(top), "overlay", layers=two_layers(top)) as opened:
        end = opened.run("cat /etc/file")
    return [opened.method, end.reason]


def test_the_cache_folder_may_have_any_name(folder: Path, who: str | None) -> None:
    need_static_shell()
    method, end = run_inside(odd_place, str(folder), user=who)
    assert end == "exit_code=0"
    assert method.startswith("overlay ")


def names_shown(folder: str) -> tuple[list[str], list[str]]:
    """Return the options that the kernel shows of two stacks, and the names that one run has for their layers."""
    top = Path(folder)
    names = names_in_memory()
    assert names is not None
    method = choose(open_cache(top / "cache"), "overlay").with_names(names)
    shown = []
    for number in range(2):
        place = top / str(number)
        place.mkdir()
        with staging_area(
            method, two_layers(place), folder=place, mount_points=["/x.build"], upper=None
        ) as root:
            lines = Path("/proc/self/mountinfo").read_text().splitlines()
            (line,) = [line for line in lines if line.split()[4] == str(root)]
            shown.append(line.split()[-1])
    return shown, sorted(os.listdir(f"/proc/self/fd/{names.descriptor}"))


def test_layers_have_short_names_where_bubblewrap_reads_them(folder: Path) -> None:
    need_static_shell()
    shown, names = run_inside(names_shown, str(folder))
    assert [options for options in shown if str(folder) in options] == []
    assert names == [*"01234567"]


def test_a_layer_that_stands_twice_counts_where_it_is_topmost() -> None:
    a, b, c = Path("a"), Path("b"), Path("c")
    assert each_once([a, b, a, c, b]) == [a, c, b]


def over_equal_layers(folder: str, method: str) -> str:
    layers = two_layers(Path(folder))
    with area(folder, method, layers=[*layers, *layers]) as opened:
        return opened.run("test $(cat /etc/file) = high").reason


@pytest.mark.parametrize("method", METHODS)
def test_two_chunks_of_equal_content_can_be_staged(folder: Path, method: str) -> None:
    need_static_shell()
    need_method(method)
    assert run_inside(over_equal_layers, str(folder), method) == "exit_code=0"


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(UsageError, match="unknown staging method magic"):
        methods_of("magic")


def forced_without_rights(folder: str) -> list[str]:
    try:
        choose(open_cache(Path(folder) / "cache"), "overlay")
    except HostError as error:
        return [error.message, *error.hints]
    return ["chosen"]


def test_a_method_that_does_not_work_says_why(folder: Path) -> None:
    """Outside of any namespace of its own an ordinary user may mount nothing."""
    os.chmod(folder, 0o777)
    message, hint = run_inside(
        forced_without_rights, str(folder), user=make_ordinary_user(), enter="is_entered"
    )
    assert message.startswith("staging by overlay does not work here: overlay (the kernel's")
    assert "Operation not permitted" in message
    assert "doctor" in hint


def chosen_on_a_full_disk(folder: str) -> list[str]:
    cache = open_cache(Path(folder) / "cache")
    mount("tmpfs", str(cache.staging), "tmpfs", 0, "nr_inodes=4")
    try:
        choose(cache)
    except NoSpace as error:
        return [error.message, *error.hints]
    finally:
        unmount(str(cache.staging))
    return ["chosen"]


def test_a_full_disk_is_no_method_that_does_not_work(folder: Path, who: str | None) -> None:
    message, hint = run_inside(chosen_on_a_full_disk, str(folder), user=who)
    assert message.startswith(f"no space left in {folder}/cache/staging: ")
    assert "lithify gc" in hint


def nothing_staged(folder: str) -> list[str]:
    top = Path(folder)
    (top / "area").mkdir()
    method = choose(open_cache(top / "cache"))
    with staging_area(method, [], folder=top / "area", mount_points=["/x.build/deep"], upper=None) as root:
        found = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
    return [*found, *os.listdir(top / "area")]


def test_a_stack_of_nothing_has_the_mount_points(folder: Path, who: str | None) -> None:
    assert run_inside(nothing_staged, str(folder), user=who) == [
        "dev",
        "proc",
        "tmp",
        "x.build",
        "x.build/deep",
    ]
