"""Downloads over HTTP, each checked by size and digest while it arrives.

A ``file`` URL is taken too, since a mirror may be a folder; one that a definition names is refused before
(:func:`~lithify.sources.urls.web_url`).
"""

from __future__ import annotations

import concurrent.futures
import hashlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from lithify import __version__
from lithify.cache import CacheFolder, publish
from lithify.errors import FetchError, PinGone, PinMismatch
from lithify.events import Report, Warned
from lithify.sources.progress import Progress
from lithify.sources.urls import shown

CONNECTIONS = 8
"""Files of one source that are fetched at the same time."""
ATTEMPTS = 2
"""How often a download is tried that a server refused for the moment or cut off."""
_CONNECT_SECONDS = 15.0
_SILENCE_SECONDS = 60.0
"""How long a server may send nothing."""
_BLOCK = 1 << 20
_GONE = (404, 410)


class RemoteFile(Struct, frozen=True, kw_only=True):
    """A file whose content is pinned."""

    name: str
    """What messages call it."""
    url: str
    sha256: str
    size: int


class Received(Struct, frozen=True, kw_only=True):
    """What arrived."""

    sha256: str
    size: int


class Downloader:
    """One client with its connections; may be used from several threads."""

    def __init__(self, proxy: str | None = None) -> None:
        import httpx  # slow, and most runs download nothing

        self._errors = (httpx.HTTPError, httpx.InvalidURL)
        self._client: Any = httpx.Client(
            follow_redirects=True,
            proxy=proxy,
            timeout=httpx.Timeout(_SILENCE_SECONDS, connect=_CONNECT_SECONDS, pool=None),
            limits=httpx.Limits(max_connections=CONNECTIONS),
            # Any other encoding would change the bytes that the digest is of.
            headers={"Accept-Encoding": "identity", "User-Agent": f"lithify/{__version__}"},
        )

    def __enter__(self) -> Downloader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def download(self, url: str, target: Path, progress: Progress, *, size: int | None = None) -> Received:
        """Write what ``url`` holds to ``target``, and return its digest.

        Raises :class:`FetchError`, or :class:`PinGone` where the server says that there is no such file. ``size`` is what
        is expected: a server that sends more is not listened to further.
        """
        for attempt in range(1, ATTEMPTS + 1):
            counted = _Counted(progress)
            try:
                return self._attempt(url, target, counted, size)
            except _Passing as error:
                counted.take_back()
                if attempt == ATTEMPTS:
                    raise FetchError(str(error), hints=_HINTS) from error
        raise AssertionError("a download is tried at least once")

    def _attempt(self, url: str, target: Path, counted: _Counted, size: int | None) -> Received:
        digest = hashlib.sha256()
        with open(target, "wb") as file, closing(self._blocks(url)) as blocks:
            for block in blocks:
                file.write(block)
                digest.update(block)
                counted.add(len(block))
                if size is not None and counted.count > size:
                    raise PinMismatch(f"{shown(url)} is longer than the {size} bytes that are pinned")
        return Received(sha256=digest.hexdigest(), size=counted.count)

    def _blocks(self, url: str) -> Generator[bytes, None, None]:
        if urlsplit(url).scheme == "file":
            yield from _file_blocks(url)
            return
        with self._wrapped(url), self._client.stream("GET", url) as response:
            status = int(response.status_code)
            if status in _GONE:
                raise PinGone(f"{shown(url)} is not there (HTTP status {status})")
            if status >= 500 or status in (408, 429):
                raise _Passing(f"the server of {shown(url)} has a fault (HTTP status {status})")
            if status != 200:
                raise FetchError(f"{shown(url)} was refused (HTTP status {status})", hints=_HINTS)
            yield from response.iter_raw(_BLOCK)

    @contextmanager
    def _wrapped(self, url: str) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise _Passing(
                f"cannot fetch {shown(url)}: {str(error).strip() or type(error).__name__}"
            ) from error


_HINTS = ["try again later, or name another place with the setting `mirror` (PREFIX=URL)"]


class _Passing(Exception):
    """A fault that may be over at the next attempt."""


class _Counted:
    """What one attempt has added to a progress, so that it can be taken back."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.count = 0

    def add(self, count: int) -> None:
        self.count += count
        self._progress.add(count)

    def take_back(self) -> None:
        self._progress.add(-self.count)


def _file_blocks(url: str) -> Iterator[bytes]:
    path = unquote(urlsplit(url).path)
    try:
        with open(path, "rb") as file:
            while block := file.read(_BLOCK):
                yield block
    except FileNotFoundError as error:
        raise PinGone(f"{url} is not there") from error
    except OSError as error:
        raise FetchError(f"cannot read {url}: {error.strerror}") from error


def fetch_files(
    files: Sequence[RemoteFile],
    place: Callable[[RemoteFile], Path],
    *,
    cache: CacheFolder,
    label: str,
    report: Report,
    proxy: str | None = None,
) -> None:
    """Have each file at its place in the cache, whole and checked; several are fetched at a time.

    Raises :class:`PinMismatch`, :class:`PinGone`, :class:`FetchError` or :class:`~lithify.errors.NoSpace`: the first that
    happened, the other downloads given up.
    """
    missing = [file for file in files if not place(file).exists()]
    if not missing:
        return
    with (
        Progress(label, report, sum(file.size for file in missing)) as progress,
        Downloader(proxy) as downloader,
        concurrent.futures.ThreadPoolExecutor(min(CONNECTIONS, len(missing))) as pool,
    ):
        futures = [
            pool.submit(_fetch_file, downloader, file, place(file), cache, progress) for file in missing
        ]
        try:
            for future in concurrent.futures.as_completed(futures):
                future.result()
        finally:
            for future in futures:
                future.cancel()


def _fetch_file(
    downloader: Downloader, file: RemoteFile, target: Path, cache: CacheFolder, progress: Progress
) -> None:
    def make(aside: Path) -> None:
        received = downloader.download(file.url, aside, progress, size=file.size)
        if received.size < file.size:
            raise FetchError(
                f"{shown(file.url)} stopped after {received.size} of {file.size} bytes", hints=_HINTS
            )
        if received.sha256 != file.sha256:
            raise PinMismatch(
                f"{file.name} is not what is pinned: {shown(file.url)} has sha256 {received.sha256}, "
                f"the pin says {file.sha256}",
                hints=[
                    "nothing of it was used; if the change is wanted, move the pin with `lithify lock --update`"
                ],
            )

    # Not synced: a file is checked against its digest again whenever it is used.
    publish(target, make, locks=cache.locks, sync=False)


def drop_damaged(files: Sequence[RemoteFile], place: Callable[[RemoteFile], Path], report: Report) -> None:
    """Remove the files that are in the cache and are not what their pin says, with a warning."""
    for file in files:
        path = place(file)
        try:
            with open(path, "rb") as stream:
                intact = hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256
        except FileNotFoundError:
            continue
        if not intact:
            report(Warned(text=f"{file.name} was damaged in the cache and is fetched again"))
            path.unlink(missing_ok=True)
