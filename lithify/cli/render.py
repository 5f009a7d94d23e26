"""Errors as text: what failed, where, and what to do. Pure."""

from __future__ import annotations

from lithify.errors import BuildFailed, DefinitionErrors, Fault, LithifyError, SeveralFailed

TAIL_LINES = 20


def error_text(error: LithifyError) -> str:
    """Return all that is said of an error; its last line of substance begins with ``ERROR:``."""
    match error:
        case DefinitionErrors():
            return "\n".join([*(fault_text(fault) for fault in error.faults), f"ERROR: {error.message}"])
        case BuildFailed():
            return build_failure_text(error)
        case SeveralFailed():
            parts = [error_text(failure) for failure in error.failures]
            table = [f"  {failure.message}" for failure in error.failures]
            return "\n\n".join(parts) + "\n\n" + "\n".join([f"ERROR: {len(table)} failures", *table])
        case _:
            return "\n".join([f"ERROR: {error.message}", *(f"hint: {hint}" for hint in error.hints)])


def fault_text(fault: Fault) -> str:
    """Return one fault as a compiler shows it: place, message, the source line, a mark, a hint."""
    place = fault.place
    lines = [f"{place.file}:{place.line}:{place.column}: {fault.severity}: {fault.message}"]
    if place.source_line:
        shown = place.source_line.expandtabs(1)
        lines += [f"    {shown}", f"    {' ' * (place.column - 1)}^"]
    lines += [f"{where.file}:{where.line}:{where.column}: note: {what}" for where, what in fault.related]
    if fault.hint:
        lines.append(f"hint: {fault.hint}")
    return "\n".join(lines)


def build_failure_text(error: BuildFailed) -> str:
    """Return a failed command: what it was, how its log ends, where the rest is, and what to type."""
    lines = [f"ERROR: {error.message}"]
    if error.command:
        lines.append(f"  command: {error.command}")
    if error.log_tail:
        lines += [f"  the last lines of its log ({error.log}):"]
        lines += [f"    {line}" for line in error.log_tail[-TAIL_LINES:]]
    elif error.log:
        lines.append(f"  log: {error.log}")
    lines += [f"hint: {hint}" for hint in error.hints]
    return "\n".join(lines)
