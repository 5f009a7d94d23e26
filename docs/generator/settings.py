"""The reference of settings, made of the class that holds them."""

from __future__ import annotations

from msgspec.structs import fields

from docs.generator.model_text import field_texts
from lithify.config import LITHIFY_FILES, MORPH_FILES, Settings

_HEAD = """\
# Settings

<!-- Made by script/docs from lithify/config.py. -->

A setting is an option of every command (`--max-jobs 4`; a list is given again for each item), a line `max-jobs = 4` in section
`[config]` of an INI file, and an environment variable (`LITHIFY_MAX_JOBS=4`). Later ones win: these files, `--config FILE`,
the environment, options. `--no-default-configs` leaves out all files but those of `--config`.

{files}

Lists in files are separated by commas. Sizes take `K`, `M`, `G` or `T`, times `s`, `m`, `h`, `d` or `w`; flags are `yes` or
`no` (`--fsync no`; alone it is `yes`). `lithify show-config --origins` shows what holds, and where each value comes from.

No setting changes what a build results in: that is for the definitions alone.
"""
_BY_MACHINE = {
    "cachedir": "`/var/cache/lithify` for root, else `~/.cache/lithify`",
    "max_jobs": "number of processors, at most 20",
    "jobs": "number of processors, at most 8",
}


def settings_page() -> str:
    """Return the page: every setting with its default and what it means."""
    texts = field_texts(Settings)
    files = "\n".join(f"- `{name}`" for name in (*MORPH_FILES, *LITHIFY_FILES))
    rows = [
        f"| `{item.name.replace('_', '-')}` | {_default(item.name, item.default)} | {_cell(texts[item.name])} |"
        for item in fields(Settings)
        if item.name != "origins"
    ]
    table = "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows])
    return f"{_HEAD.format(files=files)}\n{table}\n"


def _default(name: str, value: object) -> str:
    if name in _BY_MACHINE:
        return _BY_MACHINE[name]
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" for item in value)
    if value is None or value == "":
        return ""
    if isinstance(value, int) and value >= 1 << 20 and value % (1 << 20) == 0:
        return f"{value >> 20}M"
    return f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
