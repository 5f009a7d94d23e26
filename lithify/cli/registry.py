"""Every command, by name: where it lives and what it is for, in one line. Modules are imported when they are used."""

from __future__ import annotations

from msgspec import Struct

ASK = "__complete"
"""``lithify __complete SHELL -- WORD...`` prints one candidate a line, as that shell takes it."""
PANELS = ("Build and deploy", "Look", "Definitions and sources", "Machine")


class CommandEntry(Struct, frozen=True, kw_only=True):
    """One command of the program."""

    name: str
    module: str
    """Below ``lithify.cli``; holds a function ``command``."""
    summary: str
    panel: str
    aliases: tuple[str, ...] = ()
    """morph's spellings."""
    hands_on: bool = False
    """What follows it is another program's, from the first word on that is no setting."""
    prints_a_value: bool = False
    """Its result is one value that scripts take: nothing is said on stderr while it succeeds."""
    may_stand: bool = False
    """What it prints may be known from the last time: :mod:`lithify.cli.standing` is asked first."""
    takes_a_command: bool = False
    """What stands behind ``--`` is another program's."""
    operands: tuple[str, ...] = ()
    """What completion offers for each argument, kinds parted by blanks; the last is for all that follow. None: files."""


COMMANDS: tuple[CommandEntry, ...] = (
    CommandEntry(
        name="build",
        module="build",
        panel=PANELS[0],
        summary="build a system, or some of its chunks and strata",
        aliases=("build-morphology",),
        may_stand=True,
        operands=("system", "chunk stratum"),
    ),
    CommandEntry(
        name="deploy",
        module="deploy",
        panel=PANELS[0],
        summary="make the images, tar files and folders of a cluster",
        operands=("cluster", "deployment"),
    ),
    CommandEntry(
        name="upgrade",
        module="upgrade",
        panel=PANELS[0],
        summary="upgrade what the deployments of a cluster made",
        operands=("cluster", "deployment"),
    ),
    CommandEntry(
        name="run-extension",
        module="run_extension",
        panel=PANELS[0],
        summary="run one extension on a folder, by hand",
        operands=("extension", ""),
    ),
    CommandEntry(
        name="cross-bootstrap",
        module="cross_bootstrap",
        panel=PANELS[0],
        summary="a tarball to begin on a new architecture",
        operands=("architecture", "system", ""),
    ),
    CommandEntry(
        name="boot",
        module="boot",
        panel=PANELS[0],
        summary="start a system or a disk image in QEMU",
        operands=("system",),
    ),
    CommandEntry(
        name="lock",
        module="lock",
        panel=PANELS[2],
        summary="pin what is not pinned yet, or move pins to the newest",
        operands=("chunk",),
    ),
    CommandEntry(
        name="show",
        module="show",
        panel=PANELS[1],
        summary="each chunk: key, cached or not, and why not",
        operands=("system",),
    ),
    CommandEntry(
        name="why",
        module="why",
        panel=PANELS[1],
        summary="which inputs differ from the last build",
        operands=("system chunk", "chunk"),
    ),
    CommandEntry(
        name="shell",
        module="shell",
        panel=PANELS[1],
        summary="a shell where a chunk is built, or where it failed",
        takes_a_command=True,
        operands=("system chunk", "chunk"),
    ),
    CommandEntry(
        name="log",
        module="log",
        panel=PANELS[1],
        summary="the log of a chunk's last build",
        aliases=("show-build-log",),
        operands=("system chunk", "chunk"),
    ),
    CommandEntry(
        name="list-artifacts",
        module="list_artifacts",
        panel=PANELS[1],
        summary="artifacts of systems, or of the store",
        operands=("system",),
    ),
    CommandEntry(name="list-files", module="list_files", panel=PANELS[1], summary="the paths in an artifact"),
    CommandEntry(
        name="checkout",
        module="checkout",
        panel=PANELS[1],
        summary="take a tree out of the store, as folder or tar",
        operands=("system", ""),
    ),
    CommandEntry(
        name="provenance",
        module="provenance",
        panel=PANELS[1],
        summary="where an artifact comes from, as a SLSA statement",
        operands=("system", ""),
    ),
    CommandEntry(
        name="validate",
        module="validate",
        panel=PANELS[2],
        summary="every fault of the definitions, with its place",
    ),
    CommandEntry(
        name="schema", module="schema", panel=PANELS[2], summary="JSON Schema of the definitions, for editors"
    ),
    CommandEntry(
        name="migrate",
        module="migrate",
        panel=PANELS[2],
        summary="lift definitions to a later format, comments kept",
    ),
    CommandEntry(
        name="graph",
        module="graph",
        panel=PANELS[1],
        summary="a picture of a system, or JSON",
        aliases=("graph-build-depends",),
        operands=("system",),
    ),
    CommandEntry(
        name="show-dependencies",
        module="show_dependencies",
        panel=PANELS[1],
        summary="each artifact, and what it depends on",
        operands=("system",),
    ),
    CommandEntry(
        name="why-depends",
        module="why_depends",
        panel=PANELS[1],
        summary="the paths by which one thing needs another",
        operands=("system chunk stratum", "chunk stratum"),
    ),
    CommandEntry(
        name="diff",
        module="diff",
        panel=PANELS[1],
        summary="what differs between two commits",
        operands=("", "", "system"),
    ),
    CommandEntry(
        name="certify",
        module="certify",
        panel=PANELS[2],
        summary="whether all sources can be had again, by commit",
        operands=("system",),
    ),
    CommandEntry(
        name="anchor",
        module="anchor",
        panel=PANELS[2],
        summary="push branches that keep the commits of systems",
        operands=("", "system"),
    ),
    CommandEntry(
        name="get-chunk-details",
        module="get_chunk_details",
        panel=PANELS[2],
        summary="stratum, repository and ref of a chunk",
        operands=("chunk stratum", "chunk"),
    ),
    CommandEntry(
        name="get-repo",
        module="get_repo",
        panel=PANELS[2],
        summary="clone a chunk's repository, at the commit that is built",
        operands=("chunk", ""),
    ),
    CommandEntry(
        name="workspace",
        module="workspace",
        panel=PANELS[2],
        summary="work on a chunk's source in a folder of your own",
        operands=("workspace-action", "workspace-chunk", ""),
    ),
    CommandEntry(
        name="expand-repo",
        module="expand_repo",
        panel=PANELS[2],
        summary="pull and push URL of a repository",
        prints_a_value=True,
    ),
    CommandEntry(
        name="print-architecture",
        module="print_architecture",
        panel=PANELS[3],
        summary="the architecture of this machine",
        prints_a_value=True,
    ),
    CommandEntry(
        name="show-config",
        module="show_config",
        panel=PANELS[3],
        summary="every setting and its value",
        prints_a_value=True,
    ),
    CommandEntry(
        name="du", module="du", panel=PANELS[3], summary="what the cache holds, and what that takes"
    ),
    CommandEntry(
        name="keep",
        module="keep",
        panel=PANELS[3],
        summary="keep a system's build from `gc`",
        operands=("system",),
    ),
    CommandEntry(name="gc", module="gc", panel=PANELS[3], summary="remove from the cache what nothing keeps"),
    CommandEntry(
        name="fsck", module="fsck", panel=PANELS[3], summary="check all that is cached, and mend it"
    ),
    CommandEntry(
        name="ostree",
        module="ostree",
        panel=PANELS[3],
        summary="run `ostree` on the cache's repository",
        hands_on=True,
    ),
    CommandEntry(
        name="doctor",
        module="doctor",
        panel=PANELS[3],
        summary="what this machine can do, and what mends the rest",
    ),
    CommandEntry(
        name="completion",
        module="completion",
        panel=PANELS[3],
        summary="what makes bash, fish and zsh complete names",
        operands=("shell", ""),
    ),
    CommandEntry(
        name="help",
        module="help",
        panel=PANELS[3],
        summary="help over all commands, or of one",
        operands=("command extension", ""),
    ),
)


def find_entry(name: str) -> CommandEntry | None:
    """Return a command by its name or morph's spelling of it."""
    return next((entry for entry in COMMANDS if name == entry.name or name in entry.aliases), None)
