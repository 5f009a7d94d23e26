"""From the format that a tree is in to a later one, a step at a time, each from text to text."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from lithify.definitions.formats import LATEST
from lithify.definitions.migration import to_1, to_2, to_3, to_4, to_5, to_6, to_7, to_8, to_9
from lithify.definitions.migration.draft import Draft
from lithify.definitions.migration.edits import Moves
from lithify.definitions.migration.ignored import set_aside
from lithify.definitions.migration.texts import Note, Texts
from lithify.definitions.root import VERSION
from lithify.definitions.text import LINE_END
from lithify.errors import Place

STEPS: Mapping[int, Callable[[Draft], None]] = {
    1: to_1.lift,
    2: to_2.lift,
    3: to_3.lift,
    4: to_4.lift,
    5: to_5.lift,
    6: to_6.lift,
    7: to_7.lift,
    8: to_8.lift,
    9: to_9.lift,
}
"""Format → the step that leads to it from the one before."""


class Lifted(Struct, frozen=True, kw_only=True):
    """A tree in a later format."""

    texts: Texts
    notes: tuple[Note, ...]
    """In the order of the steps, then of places; each place is one of the new texts."""


def lift(texts: Texts, goal: int = LATEST.number) -> Lifted:
    """Return the tree in the format ``goal``; as it is where it is in that format or a later one.

    Raises :class:`~lithify.errors.DefinitionErrors` where ``VERSION`` is broken.
    """
    notes: list[Note] = _unreadable(texts, goal)
    for number in range(texts.definitions().format.number + 1, goal + 1):
        done = step(texts, number)
        notes = [_moved(note, done.moves) for note in notes] + list(done.notes)
        texts = done.texts
    return Lifted(texts=texts, notes=tuple(_with_line(note, texts) for note in notes))


class Stepped(Struct, frozen=True, kw_only=True):
    """A tree after one step."""

    texts: Texts
    notes: tuple[Note, ...]
    moves: Mapping[str, Moves]
    """File → where the lines went that it had before."""


def step(texts: Texts, number: int) -> Stepped:
    """Return the tree, which is in the format before, in the format ``number``."""
    draft = Draft(texts, number)
    set_aside(draft)
    STEPS[number](draft)
    _set_version(draft)
    after, moves = draft.finish()
    notes = sorted(draft.notes, key=lambda note: note.place)
    return Stepped(texts=after, notes=tuple(_moved(note, moves) for note in notes), moves=moves)


def _set_version(draft: Draft) -> None:
    if VERSION not in draft.texts.files:
        draft.write(VERSION, f"version: {draft.goal}\n", f"the tree is in format {draft.goal}")
        return
    document = draft.document(VERSION)
    root = document.contents.root
    assert root is not None, "a broken VERSION was refused when the tree was loaded"
    document.replace(root.marks["version"][1], str(draft.goal))


def _unreadable(texts: Texts, goal: int) -> list[Note]:
    """Return a note for each file that no step can change, since it is broken."""
    definitions = texts.definitions()
    notes = []
    for name in definitions.all_files():
        loaded = definitions.loaded(name)
        if loaded is not None and loaded.file is None and definitions.format.number < goal:
            first = loaded.errors[0]
            notes.append(
                Note(
                    format=definitions.format.number + 1,
                    place=first.place,
                    message=f"the file cannot be lifted: {first.message}",
                    hint="mend it, and migrate again from the format that it is in",
                    is_open=True,
                )
            )
    return notes


def _moved(note: Note, moves: Mapping[str, Moves]) -> Note:
    place = note.place
    if place.file not in moves:
        return note
    line = moves[place.file].line(place.line)
    return replace(note, place=Place(place.file, line, place.column, place.source_line))


def _with_line(note: Note, texts: Texts) -> Note:
    """Return a note whose place shows the line that stands there now."""
    lines = LINE_END.split(texts.files.get(note.place.file, ""))
    line = lines[note.place.line - 1] if note.place.line <= len(lines) else ""
    return replace(note, place=replace(note.place, source_line=line))
