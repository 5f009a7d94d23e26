"""Which pages are generated, and from what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from docs.generator.commands import commands_page
from docs.generator.definitions import definitions_page
from docs.generator.performance import performance_page, performance_picture
from docs.generator.settings import settings_page

PAGES: Mapping[str, Callable[[], str]] = {
    "docs/reference/definitions.md": definitions_page,
    "docs/reference/commands.md": commands_page,
    "docs/reference/settings.md": settings_page,
    "docs/performance.md": performance_page,
    "docs/performance-growth.svg": performance_picture,
}
"""Path below the project → what makes the page."""


def stale_pages(root: Path) -> list[str]:
    """Return the pages that are not what would be made now."""
    return [name for name, made in PAGES.items() if _content(root / name) != made()]


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
