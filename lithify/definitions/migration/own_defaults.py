"""What ``DEFAULTS`` says alone up to format 8, and beside the built-in build systems and split rules in format 9."""

from __future__ import annotations

from lithify.definitions.builtin import IMPORT, Defaults
from lithify.definitions.defaults import effective_defaults
from lithify.definitions.formats import FORMATS
from lithify.definitions.loading import load_defaults
from lithify.definitions.migration.defaults_text import rules_text, split_rules_text
from lithify.definitions.migration.document import CannotEdit, Document
from lithify.definitions.migration.draft import Draft
from lithify.definitions.model import ChunkFile, DefaultsFile, Product, StratumFile, place_of
from lithify.definitions.text import Fields, Items
from lithify.definitions.tree import DEFAULTS
from lithify.errors import Place

_OWN_IMPORT = "own-import"
"""What a tree's own build system is called whose name has a meaning of its own in format 9."""


def keep_defaults(draft: Draft) -> None:
    """Let the tree's own build systems and split rules hold as before."""
    if draft.definitions.defaults_faults and DEFAULTS in draft.texts.files:
        return  # it is broken, and said to be
    text = draft.texts.files.get(DEFAULTS)
    file = None if text is None else load_defaults(DEFAULTS, text.encode(), FORMATS[8])[0]
    if file is not None and IMPORT in file.build_systems:
        _rename_import(draft, file)
    _keep_rules(draft, draft.definitions.defaults, effective_defaults(FORMATS[9], file))


def _rename_import(draft: Draft, file: DefaultsFile) -> None:
    places = [place_of(file, "build-systems", IMPORT, key=True)]
    places += [
        place_of(chunk, "build-system") for chunk in draft.files(ChunkFile) if chunk.build_system == IMPORT
    ]
    for stratum in draft.files(StratumFile):
        places += [
            place_of(entry, "build-system") for entry in stratum.chunks if entry.build_system == IMPORT
        ]
    message = f"build system {IMPORT}, a name with a meaning of its own now, is called {_OWN_IMPORT}"
    for place in places:
        with draft.edit(place, message) as document:
            document.replace((place.line - 1, place.column - 1), _OWN_IMPORT)


def _keep_rules(draft: Draft, before: Defaults, after: Defaults) -> None:
    """Add rules that take nothing for the built-in ones that the tree does not have."""
    missing = {
        "chunk": _missing(before.chunk_rules, after.chunk_rules),
        "stratum": _missing(before.stratum_rules, after.stratum_rules),
    }
    if not any(missing.values()):
        pass
    elif DEFAULTS not in draft.texts.files:
        draft.write(
            DEFAULTS, _whole(before, missing), "split rules that leave all in one artifact, as before"
        )
    else:
        message = "the built-in split rules that this file leaves out are there without patterns"
        with draft.edit(Place(DEFAULTS), message) as document:
            _add(document, before, missing)
    for kind, old, new in (
        ("chunk", before.chunk_rules, after.chunk_rules),
        ("stratum", before.stratum_rules, after.stratum_rules),
    ):
        names = {rule.artifact for rule in old}
        # Without a list of its own, the tree's one rule is not among the new ones, and is written before them.
        same_order = tuple(rule for rule in new if rule.artifact in names)
        if same_order and same_order != old:
            draft.ask(
                Place(DEFAULTS),
                f"split rules of {kind}s are in another order than the built-in ones, which counts from now on",
                "the first rule that matches wins: see that each file still goes where it should",
            )


def _missing(before: tuple[Product, ...], after: tuple[Product, ...]) -> tuple[Product, ...]:
    names = {rule.artifact for rule in before}
    return tuple(Product(artifact=rule.artifact, include=()) for rule in after if rule.artifact not in names)


def _whole(before: Defaults, missing: dict[str, tuple[Product, ...]]) -> str:
    return split_rules_text(
        (*before.chunk_rules, *missing["chunk"]), (*before.stratum_rules, *missing["stratum"])
    )


def _add(document: Document, before: Defaults, missing: dict[str, tuple[Product, ...]]) -> None:
    root = document.contents.root
    rules = None if root is None else root.get("split-rules")
    if rules is None:
        document.append_text(_whole(before, missing))
        return
    for kind, products in missing.items():
        if products:
            items = rules.get(kind) if isinstance(rules, Fields) else None
            if not isinstance(items, Items) or not items:
                raise CannotEdit(
                    f"split-rules has no {kind}: add them there with the first pattern .* for all"
                )
            document.append(items, rules_text(products, ""))
