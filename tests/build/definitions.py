"""A small definitions tree that needs no network: one static shell as the base, and chunks that show what is hard to keep."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

from tests.program import write_files
from tests.staging.stacks import BUSYBOX

APPLETS = (
    "cat chmod chown cp cut find grep head ln ls mkdir mkfifo mv rm sed sleep sort stat tail touch tr wc"
)

FILES = {
    "VERSION": "version: 9\n",
    "strata/base.morph": """\
name: base
kind: stratum
chunks:
- name: shell
  morph: chunks/shell.morph
""",
    "chunks/shell.morph": """\
name: shell
kind: chunk
build-system: import
sources:
- kind: local
  path: shell
""",
    "strata/work.morph": """\
name: work
kind: stratum
build-depends:
- morph: strata/base.morph
chunks:
- name: lib
  morph: chunks/lib.morph
- name: app
  morph: chunks/app.morph
  build-depends:
  - lib
- name: odd
  morph: chunks/odd.morph
""",
    "chunks/lib.morph": """\
name: lib
kind: chunk
sources:
- kind: local
  path: lib
build-commands:
- grep -v '^#' source >library
install-commands:
- mkdir -p "$DESTDIR/usr/lib" && cp library "$DESTDIR/usr/lib/liblib.so.1"
""",
    "lib/source": "# a comment\nthe library\n",
    "chunks/app.morph": """\
name: app
kind: chunk
sources:
- kind: local
  path: app
install-commands:
- mkdir -p "$DESTDIR/usr/bin" && cat main /usr/lib/liblib.so.1 >"$DESTDIR/usr/bin/app" && chmod 755 "$DESTDIR/usr/bin/app"
""",
    "app/main": "#!/bin/sh\n",
    "chunks/odd.morph": """\
name: odd
kind: chunk
sources:
- kind: local
  path: odd
devices:
- {type: c, filename: dev/null, permissions: "666", major: 1, minor: 3, uid: 0, gid: 5}
install-commands:
- mkdir -p "$DESTDIR/usr/share/odd" "$DESTDIR/etc" && cd "$DESTDIR/usr/share/odd" && echo equal >one && echo equal >two
- cd "$DESTDIR/usr/share/odd" && ln one hard && touch owned setuid capable && chown 5:7 owned && chown 5:7 setuid
- cd "$DESTDIR/usr/share/odd" && chmod 6755 setuid && chmod 640 owned && mkdir -m 1777 sticky && mkfifo -m 600 pipe
- cd "$DESTDIR/usr/share/odd" && touch plain && ln -s ../nowhere link && ./../../../../odd.build/set-capability capable
- cd "$DESTDIR/etc" && echo a >a.conf && echo a >b.conf
system-integration:
  odd-misc:
    00-odd:
    - cp /etc/a.conf /etc/b.conf && echo integrated >/etc/integrated && chown 5:7 /etc/integrated
    - rm /usr/share/odd/plain
""",
    "systems/small.morph": """\
name: small
kind: system
arch: x86_64
strata:
- name: base
  morph: strata/base.morph
- name: work
  morph: strata/work.morph
""",
    "clusters/small.morph": """\
name: small
kind: cluster
systems:
- morph: systems/small.morph
  deploy:
    tar:
      type: tar
      location: small.tar
    image:
      type: image
      location: small.img
      boot-loader: none
      esp-size: 40M
""",
}


def small_tree(root: Path) -> Path:
    """Write the tree; everything but the busybox in it is text."""
    write_files(root, FILES)
    programs = root / "shell" / "bin"
    programs.mkdir(parents=True)
    shutil.copy(BUSYBOX, programs / "busybox")
    (programs / "busybox").chmod(0o755)
    for applet in ("sh", *APPLETS.split()):
        (programs / applet).symlink_to("busybox")
    (root / "odd").mkdir()
    (root / "odd" / "set-capability").write_bytes(set_capability_program())
    (root / "odd" / "set-capability").chmod(0o755)
    return root


def set_capability_program() -> bytes:
    """Return a static x86-64 program that gives the file in its first argument ``cap_net_bind_service+ep``.

    setxattr(argv[1], "security.capability", value, 20, 0) and exit with its result; no tool for it is small enough to stand
    in a staging area.
    """
    value = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
    name = b"security.capability\0"
    code = bytes.fromhex(
        "488b7c2410"  # mov rdi, [rsp+16]: argv[1]
        "488d3529000000"  # lea rsi, [rip+41]: name
        "488d1536000000"  # lea rdx, [rip+54]: value
        "41ba14000000"  # mov r10d, 20
        "4531c0"  # xor r8d, r8d
        "b8bc000000"  # mov eax, 188: setxattr
        "0f05"  # syscall
        "89c7"  # mov edi, eax
        "f7df"  # neg edi
        "b83c000000"  # mov eax, 60: exit
        "0f05"  # syscall
    )
    name_at = len(code)
    code = code[:8] + struct.pack("<i", name_at - 12) + code[12:]
    code = code[:15] + struct.pack("<i", name_at + len(name) - 19) + code[19:]
    body = code + name + value
    base, offset = 0x400000, 120
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base + offset, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    size = offset + len(body)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
    return header + segment + body
