"""Where a run's time went: spans, by phase and component, as a table and as a Chrome trace. Pure.

A span within another of the same thread is taken off it, so that the sums are of what each phase itself took.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

PHASES = (
    *(
        "start",
        "load",
        "resolve",
        "plan",
        "prepare",
        "fetch",
        "wait",
        "unpack",
        "stage",
        "run",
        "capture",
        "commit",
    ),
    *("merge", "integrate", "compose", "sync", "deploy", "rest"),
)
"""In the order of a build; the manual says what each is."""
MOST_COMPONENTS = 20
_WHOLE_RUN = "(the whole run)"


class Span(Struct, frozen=True, kw_only=True):
    """Something that took time; times are seconds since the run began."""

    thread: str
    began: float
    ended: float
    phase: str
    """One of :data:`PHASES`; ``rest`` is what a component's own phases leave."""
    name: str = ""
    """Of the chunk, system or deployment; empty where it is the run's, or that of the span around it."""
    detail: str = ""
    """What of the phase it was: the step."""


class Share(Struct, frozen=True, kw_only=True):
    """A span's place in its thread."""

    span: Span
    name: str
    """Its own, or that of the span around it."""
    own: float
    """Seconds without those of the spans within."""


def shares(spans: Iterable[Span]) -> list[Share]:
    """Return each span with its own seconds and the name that it goes under, in order of beginning."""
    found: list[Share] = []
    by_thread: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        by_thread[span.thread].append(span)
    for own_spans in by_thread.values():
        around: list[tuple[Span, int]] = []
        for span in sorted(own_spans, key=lambda span: (span.began, -span.ended)):
            while around and around[-1][0].ended <= span.began:
                around.pop()
            name = span.name
            if around:
                outer = found[around[-1][1]]
                name = name or outer.name
                within = min(span.ended, outer.span.ended) - span.began
                found[around[-1][1]] = Share(span=outer.span, name=outer.name, own=outer.own - within)
            around.append((span, len(found)))
            found.append(Share(span=span, name=name, own=span.ended - span.began))
    return sorted(found, key=lambda share: (share.span.began, share.span.thread))


def timings_table(spans: Sequence[Span], seconds: float) -> str:
    """Return the table that ``--timings`` prints; ``seconds`` are the whole run's."""
    by_name: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for share in shares(spans):
        by_name[share.name][share.span.phase] += share.own
    columns = [phase for phase in PHASES if any(_counts(times.get(phase, 0.0)) for times in by_name.values())]
    named = sorted((name for name in by_name if name), key=lambda name: (-sum(by_name[name].values()), name))
    shown, rest = named[:MOST_COMPONENTS], named[MOST_COMPONENTS:]
    rows = [(name, by_name[name]) for name in shown]
    if rest:
        rows.append((f"({len(rest)} more)", _sum(by_name[name] for name in rest)))
    if "" in by_name:
        rows.append((_WHOLE_RUN, by_name[""]))
    rows.append(("all", _sum(by_name.values())))
    head = ["seconds", *columns, "all"]
    lines = [head, *([name, *_cells(times, columns)] for name, times in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    table = [
        "  ".join(
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([f"the whole command took {seconds:.2f} s", *table])


def _cells(times: Mapping[str, float], columns: Sequence[str]) -> list[str]:
    cells = [f"{times[phase]:.2f}" if _counts(times.get(phase, 0.0)) else "" for phase in columns]
    return [*cells, f"{sum(times.values()):.2f}"]


def _counts(seconds: float) -> bool:
    """Whether anything of it is seen in hundredths of a second."""
    return seconds >= 0.005


def _sum(several: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = defaultdict(float)
    for times in several:
        for phase, seconds in times.items():
            total[phase] += seconds
    return total


def chrome_trace(spans: Sequence[Span], *, process: str) -> dict[str, Any]:
    """Return the spans in Chrome's trace event format (JSON object form), which Perfetto and ``chrome://tracing`` open.

    Complete events (``X``), times in microseconds, one row a thread; metadata events (``M``) name the rows.
    """
    found = shares(spans)
    threads = {
        name: number for number, name in enumerate(dict.fromkeys(s.span.thread for s in found), start=1)
    }
    events: list[dict[str, Any]] = [_name_of("process_name", process, 0)]
    events += [_name_of("thread_name", name, number) for name, number in threads.items()]
    for share in found:
        span = share.span
        label = span.detail or (share.name if span.phase == "rest" else span.phase)
        events.append(
            {
                "ph": "X",
                "name": label or span.phase,
                "cat": span.phase,
                "ts": round(span.began * 1e6),
                "dur": max(0, round((span.ended - span.began) * 1e6)),
                "pid": 1,
                "tid": threads[span.thread],
                "args": {"component": share.name} if share.name else {},
            }
        )
    return {"displayTimeUnit": "ms", "traceEvents": events}


def _name_of(kind: str, name: str, thread: int) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": 1, "tid": thread, "args": {"name": name}}
