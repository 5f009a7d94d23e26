"""The words of a line of the lock file: plain where they can be, quoted as in JSON where not. Pure."""

from __future__ import annotations

import json
import re

_PLAIN = re.compile(r"[^\s\"\\]+\Z")
_WORD = re.compile(r"\"(?:[^\"\\]|\\.)*\"|[^\s\"]+")


def join_words(*words: str | int) -> str:
    """Return a line of words."""
    return " ".join(
        text if _PLAIN.match(text) and text.isprintable() else json.dumps(text) for text in map(str, words)
    )


def split_words(line: str) -> list[str]:
    """Return the words of a line; raises :class:`ValueError` for a quote that does not end."""
    words = []
    position = 0
    while position < len(line):
        if line[position].isspace():
            position += 1
            continue
        match = _WORD.match(line, position)
        if match is None or (match.end() < len(line) and not line[match.end()].isspace()):
            raise ValueError("a quote that does not end")
        words.append(str(json.loads(match[0])) if match[0].startswith('"') else match[0])
        position = match.end()
    return words
