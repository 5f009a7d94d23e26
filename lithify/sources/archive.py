"""``archive`` sources: a tar or zip file, pinned by its digest and kept under it in ``sources/archives/``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from lithify.cache import hold_lock, host_error_of
from lithify.definitions.model import ArchiveSource
from lithify.errors import FetchError, PinGone
from lithify.graph.canonical import Value
from lithify.graph.pins import Pin
from lithify.sources.context import SourceContext
from lithify.sources.http import Downloader, RemoteFile, drop_damaged, fetch_files
from lithify.sources.lock_words import join_words
from lithify.sources.progress import Progress
from lithify.sources.unpacking import Archive, unpack_archives
from lithify.sources.urls import mirrored, web_url

SHA256 = re.compile(r"[0-9a-f]{64}\Z")


class ArchiveKind:
    """How ``archive`` sources are pinned, fetched and laid out."""

    in_place = False

    def label(self, source: ArchiveSource, pin: Pin | None) -> str:
        """Return what messages call the source: the file's name."""
        return PurePosixPath(unquote(urlsplit(source.url).path)).name or source.url

    def layout(self, source: ArchiveSource) -> Mapping[str, Value]:
        """Return what of the declaration, beside the pin, decides how the tree looks."""
        return {"strip": source.strip}

    def pin(self, source: ArchiveSource, context: SourceContext) -> Pin:
        """Download the file and take it as it is."""
        url = mirrored(web_url(source.url), context.mirrors)
        folder = context.cache.sources / "archives"
        folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(url.encode()).hexdigest()[:16]
        aside = folder / f".unpinned-{name}.partial"
        with hold_lock(context.cache.locks / f"unpinned-{name}"):
            try:
                with (
                    Progress(self.label(source, None), context.report) as progress,
                    Downloader() as downloader,
                ):
                    received = downloader.download(url, aside, progress)
                aside.rename(folder / received.sha256)
            except PinGone as error:
                raise FetchError(error.message) from error  # nothing was pinned yet
            except OSError as error:
                raise host_error_of(error, folder) from error
            finally:
                aside.unlink(missing_ok=True)
        return archive_pin(received.sha256, received.size)

    def is_fetched(self, source: ArchiveSource, pin: Pin, context: SourceContext) -> bool:
        """Whether the file is in the cache."""
        return archive_path(self._file(source, pin, context), context).exists()

    def fetch(self, source: ArchiveSource, pin: Pin, context: SourceContext) -> None:
        """Have the file in the cache, checked."""
        fetch_files(
            [self._file(source, pin, context)],
            lambda file: archive_path(file, context),
            cache=context.cache,
            label=self.label(source, pin),
            report=context.report,
        )

    def unpack(self, source: ArchiveSource, pin: Pin, into: Path, context: SourceContext) -> None:
        """Unpack the file without its leading folders; nothing in it keeps an owner."""
        file = self._file(source, pin, context)
        drop_damaged([file], lambda file: archive_path(file, context), context.report)
        self.fetch(source, pin, context)
        archive = Archive(path=archive_path(file, context), name=file.name, strip=source.strip)
        unpack_archives([archive], into, context)

    def write_pin(self, pin: Pin) -> list[str]:
        """Return the lines of the lock file that stand for a pin."""
        return [
            join_words("sha256", str(pin.digest_data["sha256"])),
            join_words("size", str(pin.fetch["size"])),
        ]

    def read_pin(self, lines: Sequence[Sequence[str]]) -> Pin:
        """Return the pin that lines of the lock file stand for; raises :class:`ValueError`."""
        fields = {words[0]: words[1] for words in lines if len(words) == 2}
        if (
            len(lines) != 2
            or not SHA256.match(fields.get("sha256", ""))
            or not fields.get("size", "").isdecimal()
        ):
            raise ValueError("an archive has a line with its sha256 and one with its size")
        return archive_pin(fields["sha256"], int(fields["size"]))

    def parts(self, pin: Pin) -> Mapping[str, str]:
        """Return what a person is shown of a pin, by name."""
        return {"sha256": str(pin.digest_data["sha256"])}

    def _file(self, source: ArchiveSource, pin: Pin, context: SourceContext) -> RemoteFile:
        return RemoteFile(
            name=self.label(source, pin),
            url=mirrored(web_url(source.url), context.mirrors),
            sha256=str(pin.digest_data["sha256"]),
            size=int(str(pin.fetch["size"])),
        )


def archive_pin(sha256: str, size: int) -> Pin:
    """Return the pin of a file."""
    return Pin(kind="archive", digest_data={"sha256": sha256}, fetch={"size": size})


def archive_path(file: RemoteFile, context: SourceContext) -> Path:
    """Return where a pinned file is kept."""
    return context.cache.sources / "archives" / file.sha256
