"""Extensions that are run by hand: what a program of the definitions sees, and what those built in make of a folder."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lithify.cli.run_extension import passed_arguments
from lithify.definitions.extensions import own_extension, own_extensions
from lithify.deploy.by_hand import order_by_hand, values_of
from lithify.deploy.extension import Extension, extension_variables, program_of
from lithify.errors import DeployError
from lithify.process import run
from tests.inside import folder_of, make_ordinary_user
from tests.program import Program, write_files

CONFIGURE = """\
#!/bin/sh
set -eu
echo "$PWD $1 $UPGRADE $HOSTNAME"
echo "to stderr" >&2
echo "for the log" >&$MORPH_LOG_FD
test -d "$TMPDIR"
echo "$HOSTNAME" >"$1/hostname"
chown 5:7 "$1/hostname"
chmod 640 "$1/hostname"
"""
PYTHON = """\
#!/usr/bin/env python3
import helper, os, sys
print(helper.TEXT, os.path.basename(__file__), *sys.argv[1:])
"""
FILES = {
    "VERSION": "version: 9\n",
    "extensions/set-hostname.configure": CONFIGURE,
    "extensions/shown.write": PYTHON,
    "extensions/helper.py": "TEXT = 'helped'\n",
    "plain.check": "#!/bin/sh -e\nexit 0\n",
    "killed.check": "#!/bin/sh\nkill -9 $$\n",
    "kept/holds.check": "#!/bin/sh\nsleep 60 >/dev/null 2>&1 & echo $!\n",
    "text.check": "no program\n",
    "lost.check": "#!/no/such/shell\n",
    "other/VERSION": "version: 9\n",
    "other/x.write": "",
    ".git/x.write": "",
    "x.write.help": "help: none\n",
    ".write": "",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write_files(tmp_path / "definitions", FILES)


def test_extensions_are_found_by_their_names(tree: Path) -> None:
    assert own_extensions(tree) == [
        "extensions/set-hostname.configure",
        "extensions/shown.write",
        "kept/holds.check",
        "killed.check",
        "lost.check",
        "plain.check",
        "text.check",
    ]
    assert own_extension("plain.check", tree) == tree / "plain.check"
    assert own_extension("./extensions/shown.write", tree) == tree / "extensions/shown.write"
    for name in (
        "plain",
        "plain.write",
        "VERSION",
        "../definitions/plain.check",
        str(tree / "plain.check"),
        "",
    ):
        assert own_extension(name, tree) is None


def extension(tree: Path, name: str) -> Extension:
    return Extension(name=name, path=tree / name, folder=tree)


def test_a_program_need_not_be_executable_to_be_run_by_its_first_line(tree: Path) -> None:
    assert program_of(extension(tree, "plain.check")) == ["/bin/sh", "-e", str(tree / "plain.check")]
    text = extension(tree, "text.check")
    with pytest.raises(DeployError, match=r"text\.check is no program"):
        program_of(text)
    text.path.chmod(0o755)
    assert program_of(text) == ["/bin/sh", str(text.path)]
    with pytest.raises(DeployError, match=r"lost\.check: there is no program /no/such/shell"):
        program_of(extension(tree, "lost.check"))
    shutil.copy("/bin/true", text.path)
    assert program_of(text) == [str(text.path)]


def test_variables_are_the_callers_and_morphs(tree: Path) -> None:
    shown = extension(tree, "extensions/shown.write")
    made = extension_variables(shown, {"A": "1", "TMPDIR": "/x"}, tree, 9)
    folder = str(tree / "extensions")
    assert made == {"A": "1", "UPGRADE": "no", "PYTHONPATH": folder, "TMPDIR": str(tree), "MORPH_LOG_FD": "9"}
    more = extension_variables(shown, {"UPGRADE": "yes", "PYTHONPATH": "/lib"}, tree, 9)
    assert (more["UPGRADE"], more["PYTHONPATH"]) == ("yes", f"/lib:{folder}")


@pytest.mark.parametrize(
    ("kind", "given", "of_commit", "passed"),
    [
        ("configure", ["tree", "more"], False, ["/cwd/tree", "more"]),
        ("configure", [], True, []),
        ("write", ["/tree", "disk.img"], False, ["/tree", "disk.img"]),
        ("write", ["/tree", "disk.img"], True, ["/tree", "/cwd/disk.img"]),
        ("write", ["/tree", "kvm+ssh://host/guest"], True, ["/tree", "kvm+ssh://host/guest"]),
        ("check", ["disk.img"], True, ["/cwd/disk.img"]),
        ("check", ["root@device"], True, ["root@device"]),
        ("check", ["disk.img"], False, ["disk.img"]),
    ],
)
def test_folders_are_relative_to_the_caller(
    kind: str, given: list[str], of_commit: bool, passed: list[str]
) -> None:
    assert passed_arguments(kind, given, Path("/cwd"), of_commit=of_commit) == passed


def test_values_of_a_built_in_type_are_variables_too(tmp_path: Path) -> None:
    environment = {
        "ROOT_SIZE": "2G",
        "size": "3G",
        "esp-size": "40M",
        "ESP_SIZE": "1M",
        "boot-loader": "",
        "HOME": "/",
    }
    assert values_of("image", environment) == {"root-size": "2G", "size": "3G", "esp-size": "40M"}
    with pytest.raises(DeployError, match=r"image\.write: unknown boot-loader 'grub'"):
        order_by_hand("image", tmp_path, tmp_path / "x.img", {"BOOT_LOADER": "grub"})
    with pytest.raises(DeployError, match=r"tar\.write: there is no folder .*/none"):
        order_by_hand("tar", tmp_path / "none", tmp_path / "x.tar", {})


# As programs of their own


@pytest.fixture(params=["root", "user"])
def program(request: pytest.FixtureRequest) -> Iterator[Program]:
    """The program as root, and as an ordinary user."""
    user = make_ordinary_user() if request.param == "user" else None
    with folder_of(user) as folder:
        made = Program(folder=folder, definitions=write_files(folder / "definitions", FILES), user=user)
        (folder / "tree").mkdir()
        if user is not None:
            shutil.chown(folder / "tree", user, user)
        yield made


@pytest.mark.slow
def test_a_program_is_run_on_a_folder_and_built_in_ones_deploy_it(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = program.environment
    monkeypatch.setattr(Program, "environment", lambda _, home: {**environment(home), "HOSTNAME": "box"})
    name, root, tree = "extensions/set-hostname.configure", program.definitions, program.folder / "tree"
    said = program.done("-C", "extensions", "run-extension", name, "../../tree", "--debug")
    assert said.stdout == f"{root} {root}/extensions/../../tree no box\n"
    assert "to stderr\n" in said.stderr
    assert f"{name}: for the log\n" in said.stderr
    said = program.done("-C", "/", "run-extension", "tar.write", str(tree), str(program.folder / "tree.tar"))
    assert said.stdout == f"{program.folder}/tree.tar\n"
    with tarfile.open(program.folder / "tree.tar") as tar:
        found = {one.name: (one.uid, one.gid, one.mode) for one in tar}
    assert found["./hostname"] == (5, 7, 0o640)
    assert found["."][:2] == (0, 0)
    assert list((program.cache / "staging").iterdir()) == list((program.folder / "tmp").iterdir()) == []


@pytest.mark.slow
def test_without_subordinate_ids_it_is_run_as_the_caller() -> None:
    user = "nobody"
    make_ordinary_user()  # skips where users cannot be changed
    with folder_of(user) as folder:
        text = '#!/bin/sh\nid -u; touch "$1/made"\n'
        definitions = write_files(folder / "definitions", {"VERSION": "version: 9\n", "own.configure": text})
        program = Program(folder=folder, definitions=definitions, user=user)
        said = program.done("run-extension", "own.configure", str(folder))
        assert said.stdout == f"{(folder / 'made').stat().st_uid}\n" != "0\n"
        assert "warning: the extension is run without a namespace: subordinate ids" in said.stderr


@pytest.mark.slow
def test_how_it_ends_is_said(tmp_path: Path) -> None:
    program = Program(folder=tmp_path, definitions=write_files(tmp_path / "definitions", FILES))
    killed = program.run("run-extension", "killed.check", "x")
    assert (killed.status, killed.stderr) == (1, "ERROR: killed.check was ended by signal 9\n")
    holds = program.done("run-extension", "kept/holds.check", "x")
    os.kill(int(holds.stdout), 9)  # it holds the pipe of the log, and nobody waits for that
    shown = program.done("run-extension", "extensions/shown.write", "--", "tree", "-f")
    assert shown.stdout == f"helped shown.write {program.definitions}/tree -f\n"


@pytest.mark.slow
def test_an_extension_of_a_commit(tmp_path: Path) -> None:
    program = Program(folder=tmp_path, definitions=write_files(tmp_path / "definitions", FILES))
    own = ["-c", "user.name=Test", "-c", "user.email=test@example.invalid", "-c", "init.defaultBranch=main"]
    shutil.rmtree(program.definitions / ".git")
    write_files(program.definitions, {"where.write": '#!/bin/sh\necho "$1 $2"; test -f VERSION\n'})
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "a commit"]):
        run(["git", *own, *words], cwd=program.definitions)
    (program.definitions / "where.write").unlink()
    commit = ("--repo", str(program.definitions), "--ref", "HEAD")
    said = program.done("-C", str(tmp_path), "run-extension", *commit, "where.write", "tree", "x.img")
    assert said.stdout == f"{tmp_path}/tree {tmp_path}/x.img\n"
    missing = program.run("run-extension", "where.write", "tree", "x.img")
    assert (missing.status, "unknown extension where.write" in missing.stderr) == (1, True)


@pytest.mark.slow
def test_all_kinds_of_files_come_into_a_tar(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a device node")
    folder = write_files(tmp_path / "tree", {"a/one": "1"})
    os.link(folder / "a/one", folder / "two")
    (folder / "link").symlink_to("a")
    os.mkfifo(folder / "pipe")
    os.mknod(folder / "null", 0o020666, os.makedev(1, 3))
    (folder / "a/one").chmod(0o4711)
    program = Program(folder=tmp_path, definitions=tmp_path)
    program.done("run-extension", "tar.write", "tree", "tree.tar")
    with tarfile.open(tmp_path / "tree.tar") as tar:
        types = {one.name.removeprefix("./"): one.type for one in tar}
        assert tar.getmember("./a/one").mode == 0o4711
        assert tar.getmember("./two").linkname == "./a/one"
    assert types["null"] == tarfile.CHRTYPE
    assert types["pipe"] == tarfile.FIFOTYPE
    assert types["link"] == tarfile.SYMTYPE
    assert (folder / "a/one").stat().st_mtime > 0
