"""A tree on its way to the next format: documents to edit, files to write, and notes of both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from lithify.definitions.loading import File
from lithify.definitions.migration.document import CannotEdit, Document
from lithify.definitions.migration.edits import Moves
from lithify.definitions.migration.texts import Note, Texts
from lithify.errors import Place

T = TypeVar("T", bound=File)


class Draft:
    """What a step works on. ``definitions`` is the tree as it was, read in the format that it was in."""

    def __init__(self, texts: Texts, goal: int) -> None:
        self.texts = texts
        self.goal = goal
        self.definitions = texts.definitions()
        self.notes: list[Note] = []
        self._documents: dict[str, Document] = {}
        self._written: dict[str, str] = {}

    def files(self, kind: type[T]) -> Iterator[T]:
        """Yield the definitions of a kind that could be read, in the order of their names."""
        for name in self.definitions.all_files():
            loaded = self.definitions.loaded(name)
            if loaded is not None and isinstance(loaded.file, kind):
                yield loaded.file

    def document(self, name: str) -> Document:
        """Return a file's text, to edit it."""
        if name not in self._documents:
            self._documents[name] = Document(name, self.texts.files[name])
        return self._documents[name]

    @contextmanager
    def edit(self, place: Place, message: str) -> Iterator[Document]:
        """Yield the file of ``place`` to edit it, and say what is done; or that it cannot be, and why."""
        try:
            yield self.document(place.file)
        except CannotEdit as error:
            self.ask(place, f"to do by hand: {message}", f"it was not done, since {error}")
        else:
            self.tell(place, message)

    def write(self, name: str, text: str, message: str) -> None:
        """Write a file anew."""
        self._written[name] = text
        self.tell(Place(name), message)

    def tell(self, place: Place, message: str) -> None:
        """Note what is changed."""
        self.notes.append(Note(format=self.goal, place=place, message=message))

    def ask(self, place: Place, message: str, hint: str = "") -> None:
        """Note what somebody has to look at."""
        self.notes.append(Note(format=self.goal, place=place, message=message, hint=hint, is_open=True))

    def finish(self) -> tuple[Texts, dict[str, Moves]]:
        """Return the tree after all edits, and where the lines of its files went."""
        files = {**self.texts.files, **self._written}
        moves: dict[str, Moves] = {}
        for name, document in self._documents.items():
            if not document.is_edited:
                continue
            try:
                files[name], moves[name] = document.finish()
            except CannotEdit as error:
                self._leave(name, str(error))
        return Texts(files=files, others=self.texts.others), moves

    def _leave(self, name: str, reason: str) -> None:
        """Say of all that was to be changed in a file that it was not."""
        own = [note for note in self.notes if note.place.file == name and not note.is_open]
        self.notes = [note for note in self.notes if note not in own]
        for note in own:
            self.ask(note.place, f"to do by hand: {note.message}", f"it was not done, since {reason}")
