"""Binary packages of Debian: solved by apt, fetched without it, unpacked with their owners."""

from __future__ import annotations

import os
import stat
import tarfile
import threading
from pathlib import Path

import pytest

from lithify.cache import hold_lock
from lithify.definitions.model import DebianBinaries
from lithify.errors import FetchError, HostError, PinGone, PinMismatch, SourceError, UnsafeContent
from lithify.events import Warned
from lithify.sources.apt import open_apt
from lithify.sources.compose import compose
from lithify.sources.debian import DebianKind
from lithify.sources.debian_host import DebianHost, parse_host
from lithify.sources.fetching import fetch_all
from lithify.sources.unpacking import Archive, unpack_archives
from tests.sources.archives import Entry, file, folder, hard_link, link, package, special
from tests.sources.conftest import Place, Server, fails, needs_root
from tests.sources.pool import Pool

KIND = DebianKind()
CAPABILITY = b"\x01\x00\x00\x02\x00\x20\x00\x00" + bytes(12)
"""cap_net_raw=ep, as the kernel keeps it."""


@pytest.fixture
def pool(server: Server, signing_key: tuple[Path, Path]) -> Pool:
    return Pool(server, signing_key)


def unpacked(place: Place, tmp_path: Path, *packages: tuple[str, tuple[Entry, ...]]) -> Path:
    archives = []
    for name, entries in packages:
        path = tmp_path / f"{name}.deb"
        path.write_bytes(package(*entries))
        archives.append(Archive(path=path, name=name, is_package=True))
    into = tmp_path / "into"
    into.mkdir()
    unpack_archives(archives, into, place(), packages=True)
    return into


@needs_root
def test_owners_modes_and_capabilities_are_taken(place: Place, tmp_path: Path) -> None:
    entries = (
        folder("./"),
        folder("./var/", uid=0),
        folder("./var/mail/", mode=0o2775, gid=8),
        folder("./root/", mode=0o700),
        file("./usr/bin/su", mode=0o4755),
        file("./usr/bin/mine", uid=5, gid=7, mode=0o2640, uname="root", gname="root"),
        file(
            "./usr/bin/ping",
            mode=0o755,
            pax_headers={"SCHILY.xattr.security.capability": os.fsdecode(CAPABILITY)},
        ),
        link("./var/link", "mail"),
    )
    into = unpacked(place, tmp_path, ("p", entries))

    def seen(name: str) -> tuple[int, int, int]:
        status = (into / name).lstat()
        return stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid

    assert seen("var/mail") == (0o2775, 0, 8)
    assert seen("root") == (0o700, 0, 0)
    assert seen("usr/bin/su") == (0o4755, 0, 0)
    assert seen("usr/bin/mine") == (0o2640, 5, 7), "numbers count, not names"
    assert os.getxattr(into / "usr/bin/ping", "security.capability") == CAPABILITY


@needs_root
def test_usr_is_merged(place: Place, tmp_path: Path) -> None:
    into = unpacked(
        place,
        tmp_path,
        ("a", (folder("./"), folder("./bin/"), file("./bin/sh"), folder("./lib/"), file("./lib/x/libc.so"))),
        (
            "b",
            (
                folder("./"),
                folder("./usr/"),
                folder("./usr/bin/"),
                file("./usr/bin/cc"),
                link("./lib64", "usr/lib64"),
            ),
        ),
        ("c", (folder("./"), folder("./lib64/"), link("./lib64/ld.so", "../lib/x/ld.so"))),
    )
    for name in ("bin", "sbin", "lib", "lib64"):
        assert os.readlink(into / name) == f"usr/{name}"
    assert (into / "usr/bin/sh").is_file() and (into / "usr/bin/cc").is_file()
    assert (into / "usr/lib/x/libc.so").is_file()
    assert os.readlink(into / "usr/lib64/ld.so") == "../lib/x/ld.so"


@needs_root
def test_links_lead_within_the_tree(place: Place, tmp_path: Path) -> None:
    into = unpacked(
        place,
        tmp_path,
        ("base", (link("./var/run", "/run"), link("./up", "../../../opt"))),
        ("other", (file("./var/run/pid"), file("./up/file"))),
    )
    assert (into / "run/pid").is_file() and (into / "opt/file").is_file()
    assert not Path("/run/pid").exists()


@needs_root
def test_the_first_package_says_what_a_folder_is_like(place: Place, tmp_path: Path) -> None:
    into = unpacked(
        place, tmp_path, ("a", (folder("./x/", mode=0o700, uid=5),)), ("b", (folder("./x/"), file("./x/f")))
    )
    status = (into / "x").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o700, 5)


@needs_root
def test_a_file_of_two_packages_is_told(place: Place, tmp_path: Path) -> None:
    into = unpacked(place, tmp_path, ("a 1", (file("./etc/x", b"a"),)), ("b 2", (file("./etc/x", b"b"),)))
    assert (into / "etc/x").read_bytes() == b"b"
    assert [event.text for event in place.told(Warned)] == [
        "etc/x is in a 1 and in b 2; the latter's is taken"
    ]


HOSTILE: dict[str, tuple[tuple[Entry, ...], str]] = {
    "parent": ((file("./../evil"),), "leads out of the archive"),
    "absolute": ((file("/evil"),), "is an absolute path"),
    "device": ((special("./dev/null", tarfile.CHRTYPE),), "is a device"),
    "hard link out": ((hard_link("./evil", "../../etc/passwd"),), "leads out of the archive"),
    "hard link through a link": (
        (link("./e", "/etc"), hard_link("./evil", "./e/passwd")),
        "not in the archive",
    ),
    "loop": ((link("./a", "b"), link("./b", "a"), file("./a/evil")), "loop of links"),
    "owner": ((file("./good", uid=2**33),), "ids that are not ours to give"),
}


@needs_root
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_packages_are_refused(name: str, place: Place, tmp_path: Path) -> None:
    entries, said = HOSTILE[name]
    with pytest.raises((UnsafeContent, SourceError)) as caught:
        unpacked(place, tmp_path, ("evil 1.0", entries))
    assert "evil 1.0" in caught.value.message and said in caught.value.message
    assert not list((tmp_path / "into").rglob("evil*"))


@pytest.mark.parametrize(
    "content", [b"", b"no package", b"!<arch>\n", b"!<arch>\n" + b"x" * 60, package()[:200]]
)
def test_no_package(content: bytes, place: Place, tmp_path: Path) -> None:
    (tmp_path / "x.deb").write_bytes(content)
    (tmp_path / "into").mkdir()
    with fails(SourceError, "x 1 cannot be unpacked"):
        unpack_archives(
            [Archive(path=tmp_path / "x.deb", name="x 1", is_package=True)],
            tmp_path / "into",
            place(),
            packages=True,
        )


def fill(pool: Pool) -> DebianHost:
    pool.add(
        "tool",
        "1:2.0+b1",
        file("./usr/bin/tool", mode=0o755),
        Depends="libtool (>= 1), big | small",
        Recommends="docs",
    )
    pool.add("libtool", "1.5~rc", file("./usr/lib/libtool.so"))
    pool.add("big", "1", file("./big"), Depends="bigger")
    pool.add("bigger", "1", file("./bigger"))
    pool.add("docs", "1", file("./docs"), Architecture="all")
    return pool.publish()


@pytest.mark.slow
def test_the_closure(pool: Pool, place: Place) -> None:
    context = place(debian_host=fill(pool), arch="amd64")

    def versions(**fields: object) -> dict[str, str]:
        source = DebianBinaries(packages=("tool",), suite="rock", **fields)
        return dict(KIND.parts(KIND.pin(source, context)))

    assert versions() == {"tool": "1:2.0+b1", "libtool": "1.5~rc", "big": "1", "bigger": "1"}
    assert set(versions(recommends=True)) == {"tool", "libtool", "big", "bigger", "docs"}
    assert set(versions(dependencies=False)) == {"tool"}
    assert set(versions(exclude=("big",))) == {"tool", "libtool"}, "and what only it needs"
    assert set(versions(exclude=("big", "nothing"))) == {"tool", "libtool"}
    assert "excluded, but not in rock at all: nothing" in [event.text for event in place.told(Warned)]


@pytest.mark.slow
def test_nobody_asks_an_apt_whose_state_is_being_written(pool: Pool, place: Place) -> None:
    """Two chunks of one suite are pinned at once: one writes the sources' list anew while the other asks."""
    apt = open_apt(place(debian_host=fill(pool)), "rock", "amd64", "deb")
    listed = apt.folder / "etc/sources.list"
    whole = listed.read_text()
    found: list[object] = []

    def ask() -> None:
        try:
            found.append([file.name for file in apt.download(["docs"])])
        except SourceError as error:
            found.append(error.message)

    asking = threading.Thread(target=ask)
    with hold_lock(apt.folder / "lock"):
        listed.write_text("")
        asking.start()
        while asking.is_alive() and not is_waited_for(apt.folder / "lock"):
            pass
        listed.write_text(whole)
    asking.join()
    assert found == [["docs_1_all.deb"]]


def is_waited_for(lock: Path) -> bool:
    """Return whether somebody waits for a lock file."""
    inode = str(lock.stat().st_ino)
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return any("->" in words and words[-3].endswith(f":{inode}") for words in lines)


def test_what_apt_cannot_do(pool: Pool, place: Place) -> None:
    pool.add("broken", "1", Depends="missing (>= 2)")
    host = fill(pool)
    context = place(debian_host=host, arch="amd64")
    with fails(SourceError, "there is no package nothing in rock"):
        KIND.pin(DebianBinaries(packages=("nothing",), suite="rock"), context)
    with fails(SourceError, "apt cannot solve what is asked of rock", "missing"):
        KIND.pin(DebianBinaries(packages=("broken",), suite="rock"), context)
    with fails(FetchError, "cannot fetch the package index of sand"):
        KIND.pin(DebianBinaries(packages=("tool",), suite="sand"), context)
    with fails(HostError, "keys of Debian's archive are not here", "debian-archive-keyring"):
        KIND.pin(
            DebianBinaries(packages=("tool",), suite="rock"),
            place(debian_host=DebianHost(archives=host.archives, keyring="/nowhere"), arch="amd64"),
        )
    with fails(HostError, "no Debian archive with rock", "mirror = debian=URL"):
        KIND.pin(
            DebianBinaries(packages=("tool",), suite="rock"), place(debian_host=DebianHost(), arch="amd64")
        )


@pytest.mark.slow
def test_an_index_that_nobody_we_trust_signed(pool: Pool, place: Place, server: Server) -> None:
    host = fill(pool)
    index = server.folder / "dists/rock/InRelease"
    index.write_text(index.read_text().replace("Codename: rock", "Codename: ROCK"))
    with fails(FetchError, "cannot fetch the package index of rock"):
        KIND.pin(DebianBinaries(packages=("tool",), suite="rock"), place(debian_host=host, arch="amd64"))


@pytest.mark.slow
@needs_root
def test_pinned_packages_need_no_apt(pool: Pool, place: Place, server: Server, tmp_path: Path) -> None:
    source = DebianBinaries(packages=("tool",), suite="rock")
    host = fill(pool)
    pin = KIND.pin(source, place(debian_host=host, arch="amd64"))
    assert KIND.read_pin([line.split() for line in KIND.write_pin(pin)]) == pin
    server.asked.clear()
    without_apt = DebianHost(archives=host.archives, keyring="/nowhere")
    digests = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        digests.append(compose([source], {source: pin}, tmp_path / name, place(debian_host=without_apt)))
    assert digests[0] == digests[1]
    assert len(server.asked) == 4 and all(path.startswith("/pool/main/") for path in server.asked)
    assert (tmp_path / "one/usr/bin/tool").exists() and (tmp_path / "one/bin").is_symlink()


@pytest.mark.slow
def test_a_package_that_has_left(pool: Pool, place: Place, server: Server) -> None:
    source = DebianBinaries(packages=("tool",), suite="rock", dependencies=False)
    host = fill(pool)
    context = place(debian_host=host, arch="amd64")
    pin = KIND.pin(source, context)
    path = server.folder / "pool/main/t/tool/tool_2.0+b1_amd64.deb"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"?")
    with fails(PinMismatch, "base: ", "tool 1:2.0+b1 is not what is pinned"):
        fetch_all([(source, pin)], context, chunk="base")
    path.unlink()
    with fails(PinGone, "base: ", "tool_2.0", "is not there", "`lithify lock --update base` moves the pin"):
        fetch_all([(source, pin)], context, chunk="base")


def test_lines_that_are_no_pin() -> None:
    good = ["package", "a", "1", "amd64", "0" * 64, "5", "pool/main/a/a.deb"]
    assert KIND.read_pin([good]).digest_data == {"packages": [["a", "1", "amd64", "0" * 64]]}
    for bad in (
        [],
        [good[:-1]],
        [["file", *good[1:]]],
        [[*good[:4], "xyz", *good[5:]]],
        [[*good[:5], "-1", good[6]]],
        [[*good[:6], "../../etc/passwd"]],
        [[*good[:6], "pool/%2e%2e/../x"]],
        [[*good[:6], "https://elsewhere/x"]],
    ):
        with pytest.raises(ValueError, match=r"\w"):
            KIND.read_pin(bad)


TARGETS = """\
Debian|bookworm|bookworm|http://mirror.example/debian/
Debian|bookworm-updates|bookworm-updates|http://mirror.example/debian/
Debian|bookworm-security|bookworm-security|http://security.example/debian-security
Docker|bookworm|bookworm|https://docker.example/linux/debian/
$(ORIGIN)|sid|$(CODENAME)|file:/srv/debian/
Debian|cd|cd|cdrom://x/
"""
SETTINGS = 'Acquire::http::Proxy "http://proxy.example:3142";\nAcquire::Check-Valid-Until "false";\nAPT::Other "x";\n'


def test_what_the_host_is_set_to() -> None:
    host = parse_host(TARGETS, SETTINGS)
    assert host.archive("bookworm") == "http://mirror.example/debian/"
    assert host.archive("trixie") == "http://mirror.example/debian/", "one archive has all releases"
    assert host.archive("bookworm-security") == "http://security.example/debian-security/"
    assert host.archive("trixie-security") == "http://security.example/debian-security/"
    assert host.archive("sid") == "file:///srv/debian/"
    assert host.archive("bookworm", (("debian", "http://own.example/d"),)) == "http://own.example/d/"
    assert host.proxy == "http://proxy.example:3142"
    assert host.options == tuple(SETTINGS.splitlines()[:2])


@pytest.mark.network
@needs_root
def test_a_real_toolchain(place: Place, tmp_path: Path) -> None:
    source = DebianBinaries(packages=("dash", "libc6"), suite="bookworm")
    context = place()
    pin = KIND.pin(source, context)
    assert {"dash", "libc6", "libgcc-s1", "gcc-12-base"} <= set(KIND.parts(pin))
    (tmp_path / "into").mkdir()
    compose([source], {source: pin}, tmp_path / "into", context)
    assert os.readlink(tmp_path / "into/usr/bin/sh") == "dash"
