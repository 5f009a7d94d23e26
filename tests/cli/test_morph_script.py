"""A script that was written for morph, on definitions as morph read them: only the command's name is another.

Its settings stand in morph's own file, in morph's spellings.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct

from tests.cli.test_commits import commit, git
from tests.inside import folder_of
from tests.program import PROJECT, write_files
from tests.staging.stacks import BUSYBOX, need_static_shell

pytestmark = pytest.mark.slow

SCRIPT = """\
#!/bin/sh
# Builds and releases a system; takes the folder for what it makes.
set -eu
out=$1
arch=$(morph print-architecture)
test "$arch" = x86_64
morph build systems/small.morph
morph list-artifacts systems/small.morph >"$out/artifacts"
morph show-build-log systems/small.morph app >"$out/log"
morph show-dependencies "$PWD" HEAD systems/small.morph >"$out/dependencies"
morph get-repo app "$out/app"
morph deploy clusters/release.morph small "small.location=$out/small.tar" small.HOSTNAME=box
morph --quiet list-artifacts --repo "$PWD" --ref HEAD systems/small.morph | cmp - "$out/artifacts"
if morph show-build-log systems/small.morph nothing; then exit 7; fi
"""
CONF = """\
[config]
cachedir = {folder}/cache
tempdir={folder}/tmp
repo-alias= upstream=file://{folder}/upstream/%s#ssh://git@git.example.com/%s
trove-host = git.example.com
trove-id = example
cachedir-min-space = 0
tempdir-min-space=0
max-jobs= 2
no-ccache = yes
no-distcc=True
tarball-server = http://git.example.com/tarballs/
build-log-on-stdout = no
"""
FILES = {
    "VERSION": "version: 6\n",
    "strata/base.morph": """\
name: base
kind: stratum
chunks:
- name: stage1
  morph: chunks/shell.morph
  repo: upstream:shell
  ref: main
  build-mode: bootstrap
  build-depends: []
- name: shell
  morph: chunks/shell.morph
  repo: upstream:shell
  ref: main
  build-depends:
  - stage1
""",
    "chunks/shell.morph": """\
name: shell
kind: chunk
build-system: manual
install-commands:
- mkdir -p "$DESTDIR/bin"
- cp busybox "$DESTDIR/bin/busybox"
- for name in sh cp mkdir ln; do ln -s busybox "$DESTDIR/bin/$name"; done
""",
    "strata/work.morph": """\
name: work
kind: stratum
build-depends:
- morph: strata/base.morph
chunks:
- name: app
  morph: chunks/app.morph
  repo: upstream:app
  ref: {commit}
""",
    "chunks/app.morph": """\
name: app
kind: chunk
build-system: manual
build-commands:
- echo jobs $MAKEFLAGS
install-commands:
- mkdir -p "$DESTDIR$PREFIX/bin"
- cp main "$DESTDIR$PREFIX/bin/app"
""",
    "systems/small.morph": """\
name: small
kind: system
arch: x86_64
strata:
- morph: strata/base.morph
- morph: strata/work.morph
configuration-extensions: []
""",
    "clusters/release.morph": """\
name: release
kind: cluster
systems:
- morph: systems/small.morph
  deploy:
    small:
      type: tar
      location: small.tar
    other:
      type: tar
      location: /nowhere/other.tar
""",
}


class Made(Struct, frozen=True, kw_only=True):
    """What the script made, and said."""

    out: Path
    said: subprocess.CompletedProcess[str]
    commit: str


@pytest.fixture(scope="module")
def made() -> Iterator[Made]:
    need_static_shell()
    with folder_of(None) as folder:
        app = write_files(folder / "upstream/app", {"main": "#!/bin/sh\necho hello\n"})
        shell = write_files(folder / "upstream/shell", {"README": "a shell\n"})
        shutil.copy(BUSYBOX, shell / "busybox")
        for repository in (app, shell):
            git(repository, "init", "-q")
            commit(repository)
        ref = git(app, "rev-parse", "HEAD").strip()
        definitions = write_files(
            folder / "definitions", {name: text.replace("{commit}", ref) for name, text in FILES.items()}
        )
        git(definitions, "init", "-q")
        commit(definitions)
        write_files(folder, {"home/.morph.conf": CONF.format(folder=folder), "release": SCRIPT})
        program = folder / "bin/morph"
        write_files(folder, {"bin/morph": f'#!/bin/sh\nexec {sys.executable} -m lithify "$@"\n'})
        program.chmod(0o755)
        (folder / "out").mkdir()
        said = subprocess.run(
            ["sh", str(folder / "release"), str(folder / "out")],
            cwd=definitions,
            env={
                "PATH": f"{program.parent}:/usr/bin:/bin",
                "HOME": str(folder / "home"),
                "PYTHONPATH": str(PROJECT),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        yield Made(out=folder / "out", said=said, commit=ref)


def test_it_ends_well_and_no_setting_is_unknown(made: Made) -> None:
    assert made.said.returncode == 0, made.said.stderr
    assert "unknown setting" not in made.said.stderr
    assert "small has no chunk nothing" in made.said.stderr


def test_it_has_what_it_asked_for(made: Made) -> None:
    artifacts = (made.out / "artifacts").read_text().splitlines()
    assert artifacts == sorted(set(artifacts))
    assert {line.partition(".")[2] for line in artifacts} >= {"system.small-rootfs", "chunk.app-bins"}
    assert "echo jobs -j2" in (made.out / "log").read_text()
    dependencies = (made.out / "dependencies").read_text()
    assert dependencies.startswith("dependency graph for ")
    assert f"  upstream:app|{made.commit}|chunks/app.morph|app|app-bins\n" in dependencies
    assert (made.out / "app/main").read_text() == "#!/bin/sh\necho hello\n"
    assert git(made.out / "app", "rev-parse", "HEAD").strip() == made.commit


def test_the_tar_is_the_system_and_no_other_deployment_was_made(made: Made) -> None:
    with tarfile.open(made.out / "small.tar") as tar:
        names = {name.removeprefix("./") for name in tar.getnames()}
    assert {"usr/bin/app", "bin/busybox", "baserock/small-rootfs.meta"} <= names
