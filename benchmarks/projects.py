"""The workload's definitions, the same for each program: ``pinned/`` has chunks from git commits, ``taken/`` from folders.

``pinned/`` in all three languages: a chunk that makes the layout (links of ``/usr``, users), the hundred trees, and a small one
that is edited; a system of these 102 with ``ldconfig`` as integration command; and thirty chunks of one command each, with
all 102 as build dependencies. ``taken/``: the hundred trees as they lie there.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

TRIVIAL = tuple(f"trivial-{number:02}" for number in range(30))
LAYOUT_LINKS = ("bin", "sbin", "lib", "lib64", "lib32", "libx32")


def write_projects(folder: Path, commits: Mapping[str, str]) -> None:
    """Write both projects below ``folder``, whose ``trees`` and ``repositories`` hold the chunks."""
    pinned, taken = folder / "pinned", folder / "taken"
    for project in (pinned, taken):
        project.mkdir(exist_ok=True)
    if not (taken / "trees").exists():
        (folder / "trees").rename(taken / "trees")
    _own_sources(pinned)
    _lithify_pinned(pinned, folder / "repositories", commits)
    _lithify_taken(taken, tuple(commits))
    _buildstream_pinned(pinned, folder / "repositories", commits)
    _buildstream_taken(taken, tuple(commits))
    _nix(pinned, folder / "repositories", commits)
    write_trivial(pinned, 0)


def write_edited(pinned: Path, number: int) -> None:
    """Change the one chunk that is edited."""
    (pinned / "edited/usr/share/edited").write_text(f"edit {number}\n")


def write_trivial(pinned: Path, number: int) -> None:
    """Make all thirty trivial chunks others than they were, for each program."""
    for name in TRIVIAL:
        command = f"printf %s {name}-{number}"
        _write(
            pinned / f"chunks/{name}.morph",
            f"""
            name: {name}
            kind: chunk
            build-system: manual
            sources:
            - kind: local
              path: small
            install-commands:
            - mkdir -p "$DESTDIR/usr/share/trivial" && {command} > "$DESTDIR/usr/share/trivial/{name}"
            """,
        )
        _write(
            pinned / f"elements/{name}.bst",
            f"""
            kind: manual
            build-depends:
            - base.bst
            sources:
            - kind: local
              path: small
            config:
              install-commands:
              - mkdir -p "%{{install-root}}/usr/share/trivial" && {command} > "%{{install-root}}/usr/share/trivial/{name}"
            """,
        )


def _own_sources(pinned: Path) -> None:
    layout, edited = pinned / "layout", pinned / "edited/usr/share"
    if not layout.exists():
        for name in LAYOUT_LINKS:
            (layout / "usr" / name).mkdir(parents=True)
            (layout / "usr" / name / ".layout").touch()
            (layout / name).symlink_to(f"usr/{name}")
        (layout / "etc").mkdir()
        (layout / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        (layout / "etc/group").write_text("root:x:0:\n")
    edited.mkdir(parents=True, exist_ok=True)
    write_edited(pinned, 0)
    (pinned / "small").mkdir(exist_ok=True)
    (pinned / "small/README").write_text("a source of one file\n")
    (pinned / "busybox").mkdir(exist_ok=True)
    shutil.copy("/bin/busybox", pinned / "busybox/busybox")


def _lithify_pinned(pinned: Path, repositories: Path, commits: Mapping[str, str]) -> None:
    _write(pinned / "VERSION", "version: 9")
    _lithify_system(pinned, "bench", "base")
    _lithify_system(pinned, "full", "base", "trivial")
    local = [f"- name: {name}\n  morph: chunks/{name}.morph" for name in ("layout", "edited")]
    trees = [
        f"- name: {name}\n  build-system: import\n  sources:\n"
        f"  - {{kind: git, url: 'file://{repositories / name}', ref: {commit}}}"
        for name, commit in commits.items()
    ]
    _lithify_stratum(pinned, "base", [local[0], *trees, local[1]])
    for name in ("layout", "edited"):
        _write(
            pinned / f"chunks/{name}.morph",
            f"""
            name: {name}
            kind: chunk
            build-system: import
            sources:
            - kind: local
              path: {name}
            """
            + (
                """
            system-integration:
              edited-misc:
                90-libraries:
                - ldconfig && rm -rf /var/cache/ldconfig
            """
                if name == "edited"
                else ""
            ),
        )
    entries = [f"- name: {name}\n  morph: chunks/{name}.morph" for name in TRIVIAL]
    _lithify_stratum(pinned, "trivial", entries, "build-depends:\n- morph: strata/base.morph\n")


def _lithify_taken(taken: Path, names: tuple[str, ...]) -> None:
    _write(taken / "VERSION", "version: 9")
    _lithify_system(taken, "taken", "trees")
    entries = [
        f"- name: {name}\n  build-system: import\n  sources:\n  - {{kind: local, path: trees/{name}}}"
        for name in names
    ]
    _lithify_stratum(taken, "trees", entries)


def _lithify_system(project: Path, name: str, *strata: str) -> None:
    listed = "".join(f"- morph: strata/{stratum}.morph\n" for stratum in strata)
    _write(project / f"systems/{name}.morph", f"name: {name}\nkind: system\narch: x86_64\nstrata:\n{listed}")


def _lithify_stratum(project: Path, name: str, entries: list[str], more: str = "") -> None:
    _write(
        project / f"strata/{name}.morph",
        f"name: {name}\nkind: stratum\n{more}chunks:\n" + "\n".join(entries),
    )


def _buildstream_pinned(pinned: Path, repositories: Path, commits: Mapping[str, str]) -> None:
    _write(
        pinned / "project.conf",
        """
        name: bench
        min-version: 2.0
        element-path: elements
        plugins:
        - origin: pip
          package-name: buildstream-plugins
          sources:
          - git
        """,
    )
    for name, commit in commits.items():
        _write(
            pinned / f"elements/{name}.bst",
            f"""
            kind: import
            sources:
            - kind: git
              url: file://{repositories / name}
              ref: {commit}
              checkout-submodules: false
            """,
        )
    for name in ("layout", "edited"):
        _write(
            pinned / f"elements/{name}.bst",
            f"kind: import\nsources:\n- kind: local\n  path: {name}",
        )
    _buildstream_stack(pinned, "base", ("layout", *commits, "edited"))
    _write(
        pinned / "elements/libraries.bst",
        """
        kind: stack
        depends:
        - base.bst
        public:
          bst:
            integration-commands:
            - ldconfig && rm -rf /var/cache/ldconfig
        """,
    )
    _write(pinned / "elements/bench.bst", "kind: compose\nbuild-depends:\n- libraries.bst")
    _buildstream_stack(pinned, "trivial", TRIVIAL)


def _buildstream_taken(taken: Path, names: tuple[str, ...]) -> None:
    _write(taken / "project.conf", "name: taken\nmin-version: 2.0\nelement-path: elements")
    for name in names:
        _write(
            taken / f"elements/{name}.bst",
            f"kind: import\nsources:\n- kind: local\n  path: trees/{name}",
        )
    _buildstream_stack(taken, "taken", names)


def _buildstream_stack(project: Path, name: str, below: tuple[str, ...]) -> None:
    listed = "\n".join(f"- {one}.bst" for one in below)
    _write(project / f"elements/{name}.bst", f"kind: stack\ndepends:\n{listed}")


def _nix(pinned: Path, repositories: Path, commits: Mapping[str, str]) -> None:
    trees = "\n".join(
        f'    (builtins.fetchGit {{ name = "{name}"; url = "file://{repositories / name}"; ref = "main";'
        f' rev = "{commit}"; }})'
        for name, commit in commits.items()
    )
    numbers = " ".join(f'"{name}"' for name in TRIVIAL)
    (pinned / "default.nix").write_text(
        f"""{{ nonce ? "0" }}:
let
  busybox = "${{./busybox}}/busybox";
  base = [
    ./layout
{trees}
    ./edited
  ];
  built = name: command: derivation {{
    inherit name base;
    system = builtins.currentSystem;
    builder = busybox;
    args = [ "sh" "-c" command ];
  }};
in {{
  system = built "system" "${{busybox}} printf '%s\\\\n' $base > $out";
  trivial = map (name: built name ''
    ${{busybox}} mkdir -p $out/usr/share/trivial
    ${{busybox}} printf %s ${{name}}-${{nonce}} > $out/usr/share/trivial/${{name}}
  '') [ {numbers} ];
}}
"""
    )


def _write(path: Path, text: str) -> None:
    lines = text.strip("\n").splitlines()
    indent = len(lines[0]) - len(lines[0].lstrip())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line[indent:].rstrip() + "\n" for line in lines if line.strip()))
