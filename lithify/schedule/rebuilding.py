"""Builds again what is in the store, from nothing and aside, to see whether it comes out the same.

The sources are laid out anew and all commands run, without a compiler cache; what a chunk is built on comes from the store.
What can be varied from here is: the folders, the moment, the processors that are seen, with ``make``'s ``-j``, and what
``uname`` says of the kernel. No ref of the store changes but ``check/…``, which keeps what was built again while it is
compared.
"""

from __future__ import annotations

import concurrent.futures
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from msgspec import Struct
from msgspec.structs import replace

from lithify.build.chunk import build_chunk
from lithify.build.laying_out import lay_out
from lithify.build.metadata import CHECK_PREFIX, BothKeys, BuiltChunk, BuiltSystem, Content
from lithify.build.system import compose_system
from lithify.build.workshop import bench
from lithify.errors import Interrupted, LithifyError
from lithify.events import BuildPlanned, ComponentFailed, ComponentFinished, ComponentStarted
from lithify.schedule.realising import Undertaking, chunk_order, system_order
from lithify.staging.syscalls import show_another_kernel_version


class Rebuilt(Struct, frozen=True, kw_only=True):
    """Something that was built again."""

    kind: str
    name: str
    key: str
    """Its definition key."""
    stored: Content
    again: Content | None
    """None where the build failed."""
    failure: LithifyError | None = None

    @property
    def is_same(self) -> bool:
        """Whether it came out the same."""
        return self.again is not None and self.again.digest == self.stored.digest


class _KeysAside(BothKeys, frozen=True, kw_only=True):
    """The keys of a build whose result takes no other's place."""

    def refs(self, kind: str, name: str, arch: str) -> list[str]:
        """Return the one ref that keeps it while it is looked at."""
        return [f"{CHECK_PREFIX}{self.definition}"]


def _aside(keys: BothKeys) -> BothKeys:
    return _KeysAside(
        definition=keys.definition,
        definition_inputs=keys.definition_inputs,
        build=keys.build,
        build_inputs=keys.build_inputs,
        workspaces=keys.workspaces,
    )


@contextmanager
def rebuilding(
    undertaking: Undertaking,
    chunks: Mapping[str, BuiltChunk],
    names: Sequence[str],
    system: BuiltSystem | None,
    jobs: int,
) -> Iterator[list[Rebuilt]]:
    """Build ``names`` again, and the system where one is given; yield what came of it, kept until the end of the block.

    ``chunks``: all that is in the store of what they are built on.
    """
    workshop = undertaking.workshop
    cores = sorted(os.sched_getaffinity(0))
    fewer = replace(
        undertaking, workshop=replace(workshop, max_jobs=max(1, workshop.max_jobs // 2), ccache=False)
    )
    workshop.report(
        BuildPlanned(target=undertaking.graph.system.name, total=len(names), cached=0, to_build=len(names))
    )
    made: list[Rebuilt] = []
    try:
        with concurrent.futures.ThreadPoolExecutor(jobs, "check", _see_another_machine, (cores,)) as pool:
            futures = [pool.submit(_chunk_again, fewer, name, chunks) for name in names]
            try:
                made += [future.result() for future in _ended(futures)]
            except KeyboardInterrupt:
                workshop.interrupt.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise Interrupted from None
        if system is not None and not workshop.interrupt.is_set():
            made.append(_system_again(undertaking, chunks, system))
        yield made
    finally:
        for one in made:
            workshop.store.drop_ref(f"{CHECK_PREFIX}{one.key}")


def _see_another_machine(cores: Sequence[int]) -> None:
    """Have what this thread starts see half of the processors, and another version of the kernel."""
    os.sched_setaffinity(0, cores[-max(1, len(cores) // 2) :])
    show_another_kernel_version()


def _ended(
    futures: Sequence[concurrent.futures.Future[Rebuilt]],
) -> Iterator[concurrent.futures.Future[Rebuilt]]:
    """Yield futures in their order, each when it has ended; a signal that another thread took is seen in between."""
    for future in futures:
        while not future.done():
            concurrent.futures.wait([future], timeout=0.5)
        yield future


def _chunk_again(undertaking: Undertaking, name: str, chunks: Mapping[str, BuiltChunk]) -> Rebuilt:
    workshop = undertaking.workshop
    key = undertaking.key(name)
    stored = chunks[name].whole
    workshop.report(ComponentStarted(name=name, kind="chunk", key=key))
    try:
        with bench(workshop, f"check-{name}") as own:
            laid_out = lay_out(workshop, own, undertaking.graph.chunks[name], undertaking.pins_of(name))
            order = chunk_order(undertaking, name, chunks, laid_out.digest)
            log = order.log.with_name(f"check-{order.log.name}")
            again = build_chunk(
                workshop, own, replace(order, keys=_aside(order.keys), log=log), laid_out
            ).whole
    except Interrupted:
        raise
    except LithifyError as error:
        return _failed(undertaking, "chunk", name, key, stored, error)
    return _done(undertaking, "chunk", name, key, stored, again)


def _system_again(undertaking: Undertaking, chunks: Mapping[str, BuiltChunk], system: BuiltSystem) -> Rebuilt:
    workshop = undertaking.workshop
    key = undertaking.system_key()
    workshop.report(ComponentStarted(name=system.name, kind="system", key=key))
    try:
        with bench(workshop, f"check-{system.name}") as own:
            order = system_order(undertaking, key, chunks)
            log = order.log.with_name(f"check-{order.log.name}")
            again = compose_system(workshop, own, replace(order, keys=_aside(order.keys), log=log)).content
    except Interrupted:
        raise
    except LithifyError as error:
        return _failed(undertaking, "system", system.name, key, system.content, error)
    return _done(undertaking, "system", system.name, key, system.content, again)


def _done(
    undertaking: Undertaking, kind: str, name: str, key: str, stored: Content, again: Content
) -> Rebuilt:
    found = Rebuilt(kind=kind, name=name, key=key, stored=stored, again=again)
    undertaking.workshop.report(
        ComponentFinished(
            name=name,
            kind="system" if kind == "system" else "chunk",
            key=key,
            outcome="built",
            same_content=found.is_same,
        )
    )
    return found


def _failed(
    undertaking: Undertaking, kind: str, name: str, key: str, stored: Content, error: LithifyError
) -> Rebuilt:
    undertaking.workshop.report(
        ComponentFailed(
            name=name, kind="system" if kind == "system" else "chunk", key=key, step="", reason=error.message
        )
    )
    return Rebuilt(kind=kind, name=name, key=key, stored=stored, again=None, failure=error)
