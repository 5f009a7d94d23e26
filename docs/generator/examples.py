"""Examples of every mapping of the definitions language: together they use every field, which a test holds them to."""

from __future__ import annotations

from collections.abc import Mapping

SECTIONS = (
    (
        "Chunk",
        (
            ("ChunkFile", "Chunk"),
            ("Product", "Split rule"),
            ("Device", "Device"),
            ("ResourceNeeds", "Resources"),
        ),
    ),
    (
        "Sources",
        (
            ("GitSource", "git"),
            ("ArchiveSource", "archive"),
            ("DebianSourcePackage", "debian-source"),
            ("DebianBinaries", "debian"),
            ("PypiSource", "pypi"),
            ("LocalSource", "local"),
            ("PatchSource", "patch"),
            ("Submodule", "Submodule"),
        ),
    ),
    (
        "Stratum",
        (
            ("StratumFile", "Stratum"),
            ("ChunkEntry", "Chunk entry"),
            ("StratumReference", "Stratum reference"),
        ),
    ),
    ("System", (("SystemFile", "System"), ("StratumSelection", "Stratum selection"))),
    (
        "Cluster",
        (("ClusterFile", "Cluster"), ("ClusterSystem", "Cluster system"), ("Deployment", "Deployment")),
    ),
    (
        "DEFAULTS file",
        (("DefaultsFile", "DEFAULTS file"), ("BuildSystem", "Build system"), ("SplitRules", "Split rules")),
    ),
)
"""(heading, ((model, title of its section), ...)) in the order of the page."""

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "ChunkFile": (
        """\
name: dropbear
kind: chunk
description: A small SSH server
build-system: autotools
sources:
- kind: archive
  url: https://matt.ucc.asn.au/dropbear/releases/dropbear-2024.86.tar.bz2
- kind: patch
  path: patches/dropbear
configure-commands:
- ./configure --prefix="$PREFIX" --disable-lastlog
post-install-commands:
- install -D -m 0755 dropbear.init "$DESTDIR/etc/init.d/dropbear"
max-jobs: 4
products:
- artifact: dropbear-keys
  include:
  - etc/dropbear/.*
system-integration:
  dropbear-misc:
    00-keys:
    - mkdir -p /etc/dropbear
devices:
- {type: c, filename: dev/null, permissions: 0666, major: 1, minor: 3}
environment:
  CFLAGS: -Os
compiler-cache: yes
keep-git: no
resources:
  memory: 1G
timeout: 30m
licence: MIT
purl: pkg:generic/dropbear@2024.86
cpe: cpe:2.3:a:dropbear_ssh_project:dropbear_ssh:2024.86
homepage: https://matt.ucc.asn.au/dropbear/dropbear.html
""",
        """\
name: every-step
kind: chunk
pre-configure-commands: [./bootstrap]
configure-commands: [./configure]
post-configure-commands: [cat config.log]
pre-build-commands: [make depend]
build-commands: [make]
post-build-commands: [size program]
pre-test-commands: [make test-data]
test-commands: [make check]
post-test-commands: [rm -rf test-data]
pre-install-commands: ['mkdir -p "$DESTDIR/usr"']
install-commands: ['make DESTDIR="$DESTDIR" install']
post-install-commands: ['rm -f "$DESTDIR/usr/share/info/dir"']
pre-strip-commands: ['chmod u+w "$DESTDIR/usr/bin/program"']
strip-commands: ['strip "$DESTDIR/usr/bin/program"']
post-strip-commands: ['chmod u-w "$DESTDIR/usr/bin/program"']
""",
    ),
    "Product": (
        """\
artifact: zlib-static
include:
- usr/lib/.*\\.a
""",
    ),
    "Device": (
        """\
type: c
filename: dev/console
permissions: 0600
major: 5
minor: 1
uid: 0
gid: 0
""",
    ),
    "ResourceNeeds": (
        """\
memory: 2G
jobs: 8
""",
    ),
    "GitSource": (
        """\
kind: git
url: https://git.example.com/program.git
ref: v1.2
submodules:
  data:
    url: https://git.example.com/program-data.git
into: program
""",
        """\
kind: git
url: upstream:program
track: v1.*
""",
    ),
    "ArchiveSource": (
        """\
kind: archive
url: https://example.com/program-1.2.tar.xz
strip: 1
into: program
""",
    ),
    "DebianSourcePackage": (
        """\
kind: debian-source
package: zlib
suite: bookworm
patches: yes
into: zlib
""",
    ),
    "DebianBinaries": (
        """\
kind: debian
packages: [gcc, make, libc6-dev]
suite: bookworm
arch: amd64
dependencies: yes
recommends: no
exclude: [perl]
into: ""
""",
    ),
    "PypiSource": (
        """\
kind: pypi
project: packaging
version: 24.1
into: packaging
""",
    ),
    "LocalSource": (
        """\
kind: local
path: files/etc
into: etc
""",
    ),
    "PatchSource": (
        """\
kind: patch
path: patches/zlib
strip: 1
into: zlib
""",
    ),
    "Submodule": (
        """\
url: https://git.example.com/program-data.git
""",
    ),
    "StratumFile": (
        """\
name: network
kind: stratum
description: What talks to other machines
build-depends:
- morph: strata/base.morph
chunks:
- name: zlib
  morph: chunks/zlib.morph
- name: dropbear
  morph: chunks/dropbear.morph
  build-depends:
  - zlib
products:
- artifact: network-runtime
  include:
  - .*-(bins|libs|keys|misc)
""",
    ),
    "ChunkEntry": (
        """\
name: zlib
repo: upstream:zlib
ref: 04f42ceca40f73e2978b50e93806c2a18c1281fc
unpetrify-ref: v1.2.13
morph: chunks/zlib.morph
build-depends:
- toolchain-links
build-mode: staging
prefix: /usr
artifacts:
  zlib-doc: network-devel
submodules:
  data:
    url: https://git.example.com/zlib-data.git
""",
        """\
name: motd
build-system: import
sources:
- kind: local
  path: files/motd
  into: etc
""",
    ),
    "StratumReference": (
        """\
morph: strata/base.morph
""",
    ),
    "SystemFile": (
        """\
name: demo
kind: system
description: Boots, and lets you log in
arch: x86_64
strata:
- morph: strata/base.morph
- morph: strata/network.morph
  artifacts: [network-runtime]
configuration-extensions:
- extensions/set-hostname
overlaps:
  etc/**: allow
  "**": warn
os-release:
  NAME: demo
  VERSION_ID: 1.0
classic-os-release: no
""",
    ),
    "StratumSelection": (
        """\
morph: strata/network.morph
name: network
artifacts:
- network-runtime
""",
    ),
    "ClusterFile": (
        """\
name: demo
kind: cluster
description: The image, and what goes to the test machine
systems:
- morph: systems/demo.morph
  deploy:
    image:
      type: image
      location: demo.img
""",
    ),
    "ClusterSystem": (
        """\
morph: systems/demo.morph
deploy-defaults:
  HOSTNAME: demo
deploy:
  image:
    type: image
    location: demo.img
subsystems:
- morph: systems/rescue.morph
  deploy:
    rescue:
      type: tar
      location: boot/rescue.tar
""",
    ),
    "Deployment": (
        """\
type: image
location: demo.img
upgrade-type: ssh
upgrade-location: root@demo.example.com
partial-deploy-components:
- chunks/dropbear.morph
size: 500M
HOSTNAME: demo
""",
    ),
    "DefaultsFile": (
        """\
build-systems:
  waf:
    configure-commands:
    - ./waf configure --prefix="$PREFIX"
    build-commands:
    - ./waf build
    install-commands:
    - ./waf install --destdir="$DESTDIR"
split-rules:
  chunk:
  - artifact: -libs
    include:
    - usr/lib/.*\\.so.*
""",
    ),
    "BuildSystem": (
        """\
configure-commands:
- ./waf configure --prefix="$PREFIX"
build-commands:
- ./waf build
install-commands:
- ./waf install --destdir="$DESTDIR"
strip-commands: []
""",
    ),
    "SplitRules": (
        """\
chunk:
- artifact: -libs
  include:
  - usr/lib/.*\\.so.*
- artifact: -misc
  include:
  - .*
stratum:
- artifact: -runtime
  include:
  - .*-libs
  - .*-misc
""",
    ),
}
"""Model → texts of such a mapping."""
