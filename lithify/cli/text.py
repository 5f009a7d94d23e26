"""Text as a terminal shows it: how wide it is, cut to a width, without what would steer the terminal. Pure."""

from __future__ import annotations

import re
import unicodedata

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), 0x7F, *range(0x80, 0xA0)) if code != 0x09}
_CONTROLS |= {
    code: f"\\u{code:04x}" for code in (0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}  # new lines of Unicode, and what turns the direction of writing


def printable(text: str) -> str:
    """Return a line without colours and cursor movements; other control characters are shown as ``\\xNN``."""
    return _ESCAPES.sub("", text).rstrip("\r\n").translate(_CONTROLS).expandtabs(8)


def width_of(text: str) -> int:
    """Return how many columns a line takes: East Asian letters two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(_columns(letter) for letter in text)


def cut(text: str, width: int) -> str:
    """Return a line of at most ``width`` columns; of a longer one the middle is left out, since names differ at their ends."""
    if width_of(text) <= width:
        return text
    if width < 3:
        return _beginning(text, width)
    tail = _beginning(text[::-1], (width - 1) // 2)[::-1]
    head = _beginning(text, width - 1 - width_of(tail))
    return f"{head}…{tail}"


def padded(text: str, width: int) -> str:
    """Return a line of exactly ``width`` columns."""
    shown = cut(text, width)
    return shown + " " * (width - width_of(shown))


def clock(seconds: float) -> str:
    """Return a time as ``MM:SS``, or ``H:MM:SS``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


def seconds_text(seconds: float) -> str:
    """Return a time for people: ``0.3 s``, ``45 s``, ``12 min``, ``3.5 h``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 99.5 * 60 else f"{seconds / 3600:.1f} h"


def size(count: int) -> str:
    """Return a number of bytes for people: ``12.3 MB``."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return f"{amount:.1f} {unit}" if unit != "B" else f"{count} B"
        amount /= 1000
    raise AssertionError("every size has a unit")


def _beginning(text: str, width: int) -> str:
    taken = 0
    for position, letter in enumerate(text):
        taken += _columns(letter)
        if taken > width:
            return text[:position]
    return text


def _columns(letter: str) -> int:
    if unicodedata.combining(letter) or unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1
