"""A chunk's tree is divided into its artifacts: metadata only, since contents are shared."""

from __future__ import annotations

from collections.abc import Sequence

from lithify.build.metadata import Content
from lithify.graph.model import SplitRule
from lithify.graph.splitting import assign
from lithify.store.manifest import content_digest
from lithify.store.reading import Repository
from lithify.store.trees import select
from lithify.store.writing import Transaction


def split_tree(
    transaction: Transaction, repository: Repository, whole: Content, rules: Sequence[SplitRule]
) -> dict[str, Content]:
    """Return each artifact of a chunk by name: the paths that its rule matched first, and their parent folders.

    Files, folders, symlinks and device nodes are matched alike. An artifact that matches nothing is there, and empty.
    """
    paths = repository.paths(whole.tree, whole.manifest)
    artifacts: dict[str, Content] = {}
    for name, members in assign(paths, rules).items():
        chosen = frozenset(members)
        manifest = whole.manifest.subset(chosen)
        devices = frozenset(device.path for device in whole.manifest.devices)
        tree = select(transaction, repository, whole.tree, chosen - devices)
        artifacts[name] = Content(tree=tree, manifest=manifest, digest=content_digest(tree, manifest))
    return artifacts
