"""A chunk's tree is divided into its artifacts: metadata only, since contents are shared."""

from __future__ import annotations

from collections.abc import Sequence

from lithify.build.metadata import Content
from lithify.graph.model import SplitRule
from lithify.graph.splitting import assign
from lithify.store.content import content_digest
from lithify.store.selecting import select
from lithify.store.transaction import Transaction


def split_tree(transaction: Transaction, whole: Content, rules: Sequence[SplitRule]) -> dict[str, Content]:
    """Return each artifact of a chunk by name: the paths that its rule matched first, and their parent folders.

    Files, folders, symlinks and device nodes are matched alike. An artifact that matches nothing is there, and empty.
    """
    repository = transaction.reading
    paths = repository.paths(whole.tree, whole.manifest)
    artifacts: dict[str, Content] = {}
    for name, members in assign(paths, rules).items():
        chosen = select(repository, whole.tree, whole.manifest, members)
        tree = transaction.write(chosen)
        artifacts[name] = Content(
            tree=tree, manifest=chosen.manifest, digest=content_digest(tree, chosen.manifest)
        )
    return artifacts
