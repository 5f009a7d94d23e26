"""Fields that no program read: before a format that refuses them, or that gives them a meaning, they go out of the way.

One rule for all steps: what is a mere warning now and would be none in the next format becomes a comment, so that nothing an
author wrote is lost. What was obsolete before format 0 (:data:`~lithify.definitions.formats.OBSOLETE`) goes for good.
"""

from __future__ import annotations

from lithify.definitions.formats import FORMATS, OBSOLETE, Format
from lithify.definitions.loading import load_file
from lithify.definitions.migration.document import Document
from lithify.definitions.migration.draft import Draft
from lithify.definitions.text import Mark, quoted
from lithify.errors import Place

_OBSOLETE = {field for fields in OBSOLETE.values() for field in fields}
_FACTS = ("description", "licence", "purl", "cpe", "homepage")
"""Fields that may as well be read from now on: no build sees them."""


def set_aside(draft: Draft) -> None:
    """Take what was ignored in all files out of the way of the next format."""
    now, goal = FORMATS[draft.goal - 1], FORMATS[draft.goal]
    for name in draft.definitions.all_files():
        loaded = draft.definitions.loaded(name)
        if loaded is None or not loaded.faults:
            continue
        document = draft.document(name)
        if (now.duplicate_key, goal.duplicate_key) == ("warning", "error"):
            _set_duplicates_aside(draft, document)
        still_ignored = _ignored(document, goal)
        for place in sorted(_ignored(document, now) - still_ignored):
            _set_field_aside(draft, document, place)


def _ignored(document: Document, form: Format) -> frozenset[Place]:
    """Return where the fields stand that a format reads over."""
    faults = load_file(document.name, document.before.encode(), form).faults
    twice = {duplicate.counts for duplicate in document.contents.duplicates}
    return frozenset(
        fault.place for fault in faults if fault.severity == "warning" and fault.place not in twice
    )


def _set_duplicates_aside(draft: Draft, document: Document) -> None:
    for duplicate in document.contents.duplicates:
        message = f"field {quoted(duplicate.key)}, which stands again below, becomes a comment"
        with draft.edit(duplicate.dropped, message):
            document.remove(_mark(duplicate.dropped), comment=True)


def _set_field_aside(draft: Draft, document: Document, place: Place) -> None:
    name, is_plain = document.field_at(_mark(place))
    if name in _FACTS and is_plain:
        return
    is_obsolete = name in _OBSOLETE
    fate = "is gone" if is_obsolete else "becomes a comment"
    with draft.edit(place, f"field {quoted(name)}, which was ignored, {fate}"):
        document.remove(_mark(place), comment=not is_obsolete)


def _mark(place: Place) -> Mark:
    return place.line - 1, place.column - 1
