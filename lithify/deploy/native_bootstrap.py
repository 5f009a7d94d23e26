"""The scripts of a cross-bootstrap's tarball: what builds the rest of a system on a machine that has nothing but it. Pure.

They need a shell, ``cp``, ``find``, ``mkdir``, ``rm`` and ``cpio`` or ``tar``; all of that comes from bootstrap-mode chunks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from shlex import quote

from msgspec.structs import replace

from lithify.build.chunk import PARALLEL_STEPS
from lithify.build.laying_out import IMPORT
from lithify.definitions.model import GitSource
from lithify.graph.environment import SYSTEM_PATH, chunk_environment
from lithify.graph.model import Chunk, Command, SystemGraph
from lithify.graph.staging_order import prefixes_below, staging_order

_LEFT_OUT = frozenset({"pre-strip", "strip", "post-strip"})
"""Steps that a first build does without, as with morph."""

_DRIVER = """\
#!/bin/sh
# Builds {system} on a machine that is {arch}: run it there as root, with this tree as the root.
# What is built already is left alone when it is run again. JOBS is how many jobs a build may use.
set -eu
cd /
PATH={path}
export PATH
JOBS=${{JOBS:-$(nproc 2>/dev/null || echo 1)}}
export JOBS
mkdir -p /tmp

put() {{
  if command -v cpio >/dev/null; then
    cpio -o -H newc | (cd / && cpio -i -d -m -u)
  else
    tar --no-recursion -cf - -T - | tar -xpf - -C /
  fi
}}

# A folder that is there stays as it is: it may be a link, as /bin to /usr/bin.
install_chunk() {{
  cd "/$1.inst"
  find . | while IFS= read -r path; do
    [ -d "$path" ] && [ ! -h "$path" ] && [ -d "/$path" ] || printf '%s\\n' "$path"
  done | put
  cd /
  for ldconfig in /sbin/ldconfig /usr/sbin/ldconfig; do
    if [ -x "$ldconfig" ]; then "$ldconfig"; break; fi
  done
}}

build_chunk() {{
  if [ -e "/src/built-$1" ]; then
    echo "$1 is built already"
    return
  fi
  echo "Building $1"
  if ! "/src/build-$1"; then
    echo "native-bootstrap: $1 failed; mend it and run /native-bootstrap again" >&2
    exit 1
  fi
  echo "Installing $1"
  install_chunk "$1"
  : >"/src/built-$1"
  rm -rf "/$1.inst"
}}

"""


def native_chunks(graph: SystemGraph) -> list[Chunk]:
    """Return the chunks that are left to the machine itself, in build order: all that the system needs but bootstrap ones."""
    return [
        chunk
        for name, chunk in graph.chunks.items()
        if name in graph.needed and chunk.build_mode != "bootstrap"
    ]


def source_name(chunk: Chunk) -> str:
    """Return the folder's name below ``/src`` of a chunk's sources: ``<repo>__<ref>`` as the definitions write them.

    That of a chunk which is not made of one git repository is the chunk's own.
    """
    one = chunk.built_from[0] if len(chunk.built_from) == 1 else None
    if isinstance(one, GitSource) and not one.into:
        text = f"{one.url}__{one.ref or one.track or 'HEAD'}"
    else:
        text = f"{chunk.name}__sources"
    return re.sub(r"[^A-Za-z0-9._+-]", "_", text)


def driver_script(graph: SystemGraph) -> str:
    """Return ``/native-bootstrap``."""
    path = ":".join([SYSTEM_PATH, *_bootstrap_folders(graph)])
    driver = _DRIVER.format(system=graph.system.name, arch=graph.system.arch, path=quote(path))
    steps = [f"build_chunk {quote(chunk.name)}\n" for chunk in native_chunks(graph)]
    return "".join([driver, *steps, f"echo {quote(f'Complete: {graph.system.name} is built')}\n"])


def build_scripts(graph: SystemGraph, sources: Mapping[str, str]) -> dict[str, bytes]:
    """Return chunk → ``/src/build-CHUNK``; ``sources``: chunk → the name of its folder below ``/src``."""
    order = staging_order(graph)
    return {
        chunk.name: _build_script(
            chunk, sources[chunk.name], prefixes_below(graph, chunk.name, order), _bootstrap_folders(graph)
        )
        for chunk in native_chunks(graph)
    }


def _build_script(chunk: Chunk, source: str, prefixes: Sequence[str], folders: Sequence[str]) -> bytes:
    build, destdir = quote(f"/{chunk.name}.build"), quote(f"/{chunk.name}.inst")
    environment = chunk_environment(replace(chunk, build_mode="staging", compiler_cache=False), prefixes)
    path = environment["PATH"].split(":")
    environment["PATH"] = ":".join(dict.fromkeys([*path, *folders]))
    lines = [
        "#!/bin/sh",
        f"# Builds {chunk.name} and installs it into {destdir}.",
        "set -e",
        "cd /",
        *(f"export {name}={quote(value)}" for name, value in sorted(environment.items())),
        f"export DESTDIR={destdir}",
        f"rm -rf {build} {destdir}",
    ]
    source = quote(f"/src/{source}")
    if chunk.build_system == IMPORT:
        return _text([*lines, f"cp -a {source} {destdir}"])
    lines += [f"mkdir {destdir}", f"cp -a {source} {build}", f"cd {build}"]
    commands: list[str | bytes] = []
    for step, given in chunk.commands:
        if step not in _LEFT_OUT:
            commands.append(f"echo '### {step.upper()}-COMMANDS ###'")
            commands += [_command(_jobs(chunk, step), command) for command in given]
    return _text([*lines, *commands, "cd /", f"rm -rf {build}"])


def _jobs(chunk: Chunk, step: str) -> str:
    if step not in PARALLEL_STEPS:
        return "MAKEFLAGS=-j1"
    return f"MAKEFLAGS=-j{chunk.max_jobs}" if chunk.max_jobs else 'MAKEFLAGS="-j${JOBS:-1}"'


def _command(jobs: str, command: Command) -> bytes:
    """Return the line that runs one command as a build does: alone, unaltered, with nothing to read."""
    quoted = command.replace(b"'", b"'\"'\"'") if isinstance(command, bytes) else None
    argument = quote(str(command)).encode() if quoted is None else b"'" + quoted + b"'"
    return jobs.encode() + b" sh -x -e -c " + argument + b" </dev/null"


def _text(lines: Sequence[str | bytes]) -> bytes:
    return b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines)


def _bootstrap_folders(graph: SystemGraph) -> list[str]:
    """Return where programs of bootstrap-mode chunks are: the folders below their prefixes that no PATH has anyway."""
    prefixes = dict.fromkeys(
        chunk.prefix.rstrip("/") for chunk in graph.chunks.values() if chunk.build_mode == "bootstrap"
    )
    found = [f"{prefix}/{folder}" for prefix in prefixes for folder in ("bin", "sbin")]
    return [folder for folder in found if folder not in SYSTEM_PATH.split(":")]
