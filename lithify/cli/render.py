"""Errors as text: what failed, where, and what to do. Pure."""

from __future__ import annotations

from lithify.cli.text import printable, width_of
from lithify.errors import BuildFailed, DefinitionErrors, Fault, LithifyError, SeveralFailed

TAIL_LINES = 20
_SHOWN = 100
"""Columns of a source line that are shown; of a longer one, those around the mark."""


def error_text(error: LithifyError) -> str:
    """Return what is said of an error at the end; its last line of substance begins with ``ERROR:``."""
    if error.told:
        return full_text(error).partition("\n")[0]
    return full_text(error)


def details(error: LithifyError) -> str:
    """Return what is to be said of an error whose message has been said, without a newline at the end; may be empty."""
    return full_text(error).partition("\n")[2]


def full_text(error: LithifyError) -> str:
    """Return all that there is to say of an error, whether it was told or not."""
    match error:
        case DefinitionErrors():
            faults = [fault_text(fault) for fault in error.faults]
            return "\n".join([*faults, f"ERROR: {printable(error.message)}", *_hints(error)])
        case BuildFailed():
            return build_failure_text(error)
        case SeveralFailed():
            return _several_text(error)
        case _:
            first, *more = error.message.splitlines() or [""]
            return "\n".join(
                [f"ERROR: {printable(first)}", *(f"  {printable(line)}" for line in more), *_hints(error)]
            )


def fault_text(fault: Fault) -> str:
    """Return one fault as a compiler shows it: place, message, the source line, a mark, a hint."""
    place = fault.place
    lines = [f"{place.file}:{place.line}:{place.column}: {fault.severity}: {printable(fault.message)}"]
    if place.source_line.strip():
        lines += _marked(place.source_line, place.column)
    lines += [
        f"{where.file}:{where.line}:{where.column}: note: {printable(what)}" for where, what in fault.related
    ]
    if fault.hint:
        lines.append(f"hint: {printable(fault.hint)}")
    return "\n".join(lines)


def build_failure_text(error: BuildFailed) -> str:
    """Return a failed command: what it was, how its log ends, where the rest is, and what to type."""
    lines = [f"ERROR: {printable(error.message)}"]
    first, *more = [printable(line) for line in error.command.splitlines()] or [""]
    if first:
        lines += [f"  command: {first}", *(f"           {line}" for line in more)]
    if error.log_tail:
        lines.append(f"  the last lines of its log ({error.log}):")
        lines += [f"    {printable(line)}".rstrip() for line in error.log_tail[-TAIL_LINES:]]
    elif error.log:
        lines.append(f"  log: {error.log}")
    return "\n".join([*lines, *_hints(error)])


def _several_text(error: SeveralFailed) -> str:
    """Return each failure that was not told yet in full, then one table of them all."""
    parts = [full_text(failure) for failure in error.failures if not failure.told]
    rows = [_row(failure) for failure in error.failures]
    widths = [max(width_of(row[column]) for row in rows) for column in (0, 1)]
    table = [
        f"  {name}{' ' * (widths[0] - width_of(name))}  {step}{' ' * (widths[1] - width_of(step))}  {reason}".rstrip()
        for name, step, reason in rows
    ]
    return "\n\n".join([*parts, "\n".join([f"ERROR: {len(rows)} failures", *table, *_hints(error)])])


def _row(failure: LithifyError) -> tuple[str, str, str]:
    if isinstance(failure, BuildFailed):
        return printable(failure.component), printable(failure.step), printable(failure.reason)
    name, _, text = failure.message.partition(": ")
    return (printable(name), "", printable(text)) if text else ("", "", printable(name))


def _hints(error: LithifyError) -> list[str]:
    return [f"hint: {printable(hint)}" for hint in error.hints]


def _marked(source_line: str, column: int) -> list[str]:
    """Return a source line with a mark below one of its columns, which count letters from 1."""
    start = 0 if column <= _SHOWN - 20 else column - 1 - _SHOWN // 2
    shown = source_line.expandtabs(1)[start : start + _SHOWN]
    before = printable(source_line.expandtabs(1)[start : column - 1] + "|")[:-1]
    lead, tail = ("…" if start else ""), ("…" if len(source_line) > start + _SHOWN else "")
    return [
        f"    {lead}{printable(shown + '|')[:-1].rstrip()}{tail}",
        f"    {' ' * width_of(lead + before)}^",
    ]
