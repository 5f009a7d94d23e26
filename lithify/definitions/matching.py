"""Regular expressions that match in a time that is known, whoever wrote them.

Python tries one way after another, and ``(a+)+$`` has more ways through a name of 40 letters than anybody can wait for. A
pattern with few ways is left to Python, which is fast. Any other becomes a finite automaton, which goes through a text once,
letter by letter, in all ways at a time; it takes what is regular in the mathematical sense: no back references, no looking
around. What a pattern means is the same either way: whether it matches from the beginning of the text (``re.match``).
"""

from __future__ import annotations

import importlib
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

MOST_STATES = 3000
"""Of an automaton: ``{1,1000}`` makes a thousand of what it repeats."""
MOST_LOOPS = 2
"""Repeats without an end in a pattern that is left to Python: time grows with the length of the text to this power."""
MOST_CHOICES = 4
"""Optional parts and alternatives in such a pattern: each doubles the time."""
SHORT = 128
"""Characters of a text that Python may match with such a pattern; longer ones are the automaton's too."""
_REMEMBERED = 300_000
"""States in the steps that an automaton keeps, some 30 MB; with more they are forgotten, and found again."""

_parser: Any = importlib.import_module("re._parser")
_Test = Callable[[str], object]


class Unbounded(ValueError):
    """A pattern that may take for ever, and is no regular expression in the mathematical sense, or too big a one."""


@lru_cache(maxsize=4096)
def why_unbounded(pattern: str) -> str:
    """Return why a pattern that Python can compile cannot be matched in a known time; empty where it can."""
    try:
        _matcher(pattern)
    except (Unbounded, RecursionError) as error:
        return str(error) or "it is nested too deep"
    return ""


def matcher(patterns: Sequence[str]) -> _Test:
    """Return a test whether any of the patterns matches a text from its beginning.

    Raises :class:`Unbounded` for a pattern of which :func:`why_unbounded` says something.
    """
    tests = [_matcher(pattern) for pattern in patterns]
    if all(automaton is None or quick is not None for quick, automaton in tests):
        return _mixed(patterns, tests)
    return lambda text: any(_applied(quick, automaton, text) for quick, automaton in tests)


def _mixed(patterns: Sequence[str], tests: Sequence[tuple[_Test | None, Automaton | None]]) -> _Test:
    """Return a test of patterns that Python matches, together where that means the same."""
    alone = any(re.search(r"\\[1-9]|\(\?", pattern) for pattern in patterns)
    if alone:
        return lambda text: any(_applied(quick, automaton, text) for quick, automaton in tests)
    together = _compiled("|".join(f"(?:{pattern})" for pattern in patterns) or r"(?!)")

    def matches(text: str) -> object:
        if len(text) <= SHORT:
            return together(text)
        return any(_applied(quick, automaton, text) for quick, automaton in tests)

    return matches


def _applied(quick: _Test | None, automaton: Automaton | None, text: str) -> object:
    if quick is not None and (len(text) <= SHORT or automaton is None):
        return quick(text)
    assert automaton is not None
    return automaton.matches(text)


@lru_cache(maxsize=4096)
def _matcher(pattern: str) -> tuple[_Test | None, Automaton | None]:
    """Return how Python matches a pattern, where it may, and the automaton, where there is one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what may change its meaning one day
        parsed = _parser.parse(pattern)
    is_quick = _is_quick(parsed)
    try:
        automaton: Automaton | None = Automaton(parsed)
    except Unbounded:
        if not is_quick:
            raise
        automaton = None
    return (_compiled(pattern) if is_quick else None), automaton


def _compiled(pattern: str) -> _Test:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return re.compile(pattern).match


class _Ways:
    """Counts what makes a pattern slow."""

    def __init__(self) -> None:
        self.loops = 0
        self.choices = 0

    def are_few(self) -> bool:
        return self.loops <= MOST_LOOPS and self.choices <= MOST_CHOICES

    def count(self, items: Iterable[tuple[Any, Any]], *, repeated: bool) -> None:
        for name, value in items:
            kind = str(name)
            if kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
                self._count_repeat(*value, repeated=repeated)
            elif kind == "BRANCH":
                self._choose(len(value[1]) - 1, repeated)
                for branch in value[1]:
                    self.count(branch, repeated=repeated)
            elif kind == "SUBPATTERN":
                self.count(value[3], repeated=repeated)
            elif kind in ("ASSERT", "ASSERT_NOT"):
                self.count(value[1], repeated=repeated)
            elif kind == "ATOMIC_GROUP":
                self.count(value, repeated=repeated)
            elif kind == "GROUPREF_EXISTS":
                self._choose(1, repeated)
                for branch in value[1:]:
                    self.count(branch or (), repeated=repeated)
            elif kind == "GROUPREF":
                self.loops += 1

    def _count_repeat(self, least: int, most: int, body: Any, *, repeated: bool) -> None:
        if most == 1:
            self._choose(1 if least != most else 0, repeated)
            self.count(body, repeated=repeated)
            return
        if least != most:
            self.loops += MOST_LOOPS + 1 if repeated else 1
        if not _is_told_apart(body):
            self.count(body, repeated=True)

    def _choose(self, ways: int, repeated: bool) -> None:
        self.choices += MOST_CHOICES + 1 if ways and repeated else ways


def _is_quick(parsed: Any) -> bool:
    ways = _Ways()
    ways.count(parsed, repeated=False)
    return ways.are_few()


def _is_told_apart(body: Any) -> bool:
    r"""Return whether each turn of a repeat begins with a letter that occurs nowhere else in it, as in ``(\.\d+)*``."""
    items = list(body)
    while len(items) == 1 and str(items[0][0]) == "SUBPATTERN":
        items = list(items[0][1][3])
    if not items or str(items[0][0]) != "LITERAL":
        return False
    first = chr(items[0][1])
    for name, value in items[1:]:
        inner = list(value[2]) if str(name) in ("MAX_REPEAT", "MIN_REPEAT") else [(name, value)]
        if len(inner) != 1 or str(inner[0][0]) not in _LETTERS or _test_of(*inner[0])(first):
            return False
    return True


_LETTERS = frozenset({"LITERAL", "NOT_LITERAL", "ANY", "IN"})
_CATEGORIES: dict[str, _Test] = {
    f"CATEGORY_{negated}{name}": re.compile(letter).match
    for name, plain in (("DIGIT", "d"), ("SPACE", "s"), ("WORD", "w"))
    for negated, letter in (("", rf"\{plain}"), ("NOT_", rf"\{plain.upper()}"))
}


def _test_of(name: Any, value: Any) -> _Test:
    """Return the test of one letter that an item of a pattern makes."""
    match str(name):
        case "LITERAL":
            wanted = chr(value)
            return lambda letter: letter == wanted
        case "NOT_LITERAL":
            unwanted = chr(value)
            return lambda letter: letter != unwanted
        case "ANY":
            return lambda letter: letter != "\n"
        case "CATEGORY":
            return _CATEGORIES[str(value)]
        case "RANGE":
            low, high = chr(value[0]), chr(value[1])
            return lambda letter: low <= letter <= high
        case _:
            negated = bool(value) and str(value[0][0]) == "NEGATE"
            tests = [_test_of(*item) for item in value if str(item[0]) != "NEGATE"]
            return lambda letter: any(test(letter) for test in tests) != negated


_MORE, _NEWLINE, _NOTHING = range(3)
"""What is left of a text at a place in it: more than a newline, a last newline, nothing."""
_Place = tuple[bool, int]
"""(is this the beginning, what is left)."""


class Automaton:
    """A pattern as a finite automaton; its steps are found when they are first gone."""

    def __init__(self, parsed: Any) -> None:
        """Make an automaton of what Python's own parser said; raises :class:`Unbounded` for what none can be."""
        if parsed.state.flags & ~re.UNICODE:
            raise Unbounded("it has many ways to match, and flags")
        self._tests: list[_Test | None] = []
        """Of each state: the test of the next letter; None for one that takes no letter."""
        self._next: list[tuple[int, ...]] = []
        self._holds_at: list[Callable[[_Place], bool] | None] = []
        self._end = self._state(None, ())
        self._start = self._sequence(list(parsed), self._end)
        self._steps: dict[tuple[frozenset[int], str, _Place], frozenset[int]] = {}
        self._kept = 0

    def matches(self, text: str) -> bool:
        """Return whether the pattern matches from the beginning of the text."""
        last = len(text)
        states = self._closure([self._start], (True, _left(text, 0, last)))
        for index, letter in enumerate(text, 1):
            if self._end in states:
                return True
            if not states:
                return False
            place = (False, _left(text, index, last) if index >= last - 1 else _MORE)
            key = (states, letter, place)
            found = self._steps.get(key)
            if found is None:
                found = self._step(states, letter, place)
                self._kept += len(found) + 1
                if self._kept > _REMEMBERED:
                    self._steps.clear()
                    self._kept = 0
                self._steps[key] = found
            states = found
        return self._end in states

    def _step(self, states: frozenset[int], letter: str, place: _Place) -> frozenset[int]:
        reached: list[int] = []
        for state in states:
            test = self._tests[state]
            if test is not None and test(letter):
                reached += self._next[state]
        return self._closure(reached, place)

    def _closure(self, states: list[int], place: _Place) -> frozenset[int]:
        """Return the states that are reached from others without a letter, at a place, with those that wait for one."""
        seen = set(states)
        pending = list(states)
        while pending:
            state = pending.pop()
            if self._tests[state] is not None:
                continue
            holds = self._holds_at[state]
            if holds is None or holds(place):
                new = [other for other in self._next[state] if other not in seen]
                seen.update(new)
                pending += new
        return frozenset(state for state in seen if self._tests[state] is not None or state == self._end)

    def _state(
        self, test: _Test | None, following: tuple[int, ...], holds: Callable[[_Place], bool] | None = None
    ) -> int:
        if len(self._tests) >= MOST_STATES:
            raise Unbounded(f"it repeats too much: as an automaton it has more than {MOST_STATES} states")
        self._tests.append(test)
        self._next.append(following)
        self._holds_at.append(holds)
        return len(self._tests) - 1

    def _sequence(self, items: Sequence[tuple[Any, Any]], following: int) -> int:
        for name, value in reversed(items):
            following = self._item(str(name), name, value, following)
        return following

    def _item(self, kind: str, name: Any, value: Any, following: int) -> int:
        if kind in _LETTERS:
            return self._state(_test_of(name, value), (following,))
        match kind:
            case "SUBPATTERN":
                if value[1] or value[2]:
                    raise Unbounded("it has many ways to match, and flags")
                return self._sequence(list(value[3]), following)
            case "BRANCH":
                return self._state(
                    None, tuple(self._sequence(list(branch), following) for branch in value[1])
                )
            case "MAX_REPEAT" | "MIN_REPEAT":
                return self._repeat(value[0], value[1], list(value[2]), following)
            case "AT" if str(value) in _PLACES:
                return self._state(None, (following,), _PLACES[str(value)])
        raise Unbounded(
            "it has many ways to match, and refers back, looks around or never gives back: that may take for ever"
        )

    def _repeat(self, least: int, most: Any, body: list[tuple[Any, Any]], following: int) -> int:
        if least > MOST_STATES:
            raise Unbounded(f"it repeats too much: as an automaton it has more than {MOST_STATES} states")
        if most is _parser.MAXREPEAT or most >= sys.maxsize:
            loop = self._state(None, ())
            self._next[loop] = (self._sequence(body, loop), following)
            following = loop
        else:
            after = following
            for _ in range(most - least):
                following = self._state(None, (self._sequence(body, following), after))
        for _ in range(least):
            following = self._sequence(body, following)
        return following


_PLACES: dict[str, Callable[[_Place], bool]] = {
    "AT_BEGINNING": lambda place: place[0],
    "AT_BEGINNING_STRING": lambda place: place[0],
    "AT_END": lambda place: place[1] != _MORE,
    "AT_END_STRING": lambda place: place[1] == _NOTHING,
}


def _left(text: str, index: int, last: int) -> int:
    if index == last:
        return _NOTHING
    return _NEWLINE if index == last - 1 and text[index] == "\n" else _MORE
