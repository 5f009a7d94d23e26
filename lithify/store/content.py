"""The digest of a tree's content: what early cut-off compares, and what layers are named by."""

from __future__ import annotations

from lithify.graph.canonical import digest
from lithify.graph.model import ContentDigest
from lithify.store.gvariant import Tree
from lithify.store.manifest import Manifest


def content_digest(tree: Tree, manifest: Manifest) -> ContentDigest:
    """Return SHA-256 over the root's dirtree, its dirmeta and the canonical manifest: never the commit, which tells more."""
    return ContentDigest(digest([tree.dirtree, tree.dirmeta, manifest.to_json()]))
