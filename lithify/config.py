"""The settings: from files, environment and options, each with where its value comes from.

Pure: texts and mappings go in, a frozen value comes out. Nothing here changes what a build results in; what does belongs in
the definitions. Manual: ``docs/reference/settings.md``.
"""

from __future__ import annotations

import configparser
import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import asdict

from lithify.errors import UsageError

DEFAULT_TROVE_HOST = "git.baserock.org"
SECTION = "config"
MORPH_FILES = ("/etc/morph.conf", "/etc/morph/*.conf", "~/.morph.conf", "~/.config/morph/*.conf")
LITHIFY_FILES = ("/etc/lithify.conf", "/etc/lithify/*.conf", "~/.config/lithify/*.conf")

MORPH_ONLY = frozenset(
    {
        "build-log-on-stdout",
        "git-resolve-cache-server",
        "tarball-server",
        "no-distcc",
        "push-build-branches",
        "compiler-cache-dir",
        "upgrade",
        "cachedir-artifact-delete-older-than",
        "cachedir-artifact-keep-younger-than",
        "checkout-ref",
        "check-license",
        "crash-condition",
        "worker-daemon-address",
        "worker-daemon-port",
        "worker-daemon-port-file",
        "controller-initiator-address",
        "controller-initiator-port",
        "controller-initiator-port-file",
        "controller-helper-address",
        "controller-helper-port",
        "controller-helper-port-file",
        "initiator-step-output-dir",
        "worker",
        "worker-cache-server-port",
        "writeable-cache-server",
        "morph-instance",
        "output",
        "log-level",
        "log-max",
        "log-keep",
        "log-mode",
        "dump-memory-profile",
        "memory-dump-interval",
        "metadata-dir",
        "repo",
        "ref",
        "help",
        "help-all",
    }
)
"""Keys that morph knew and lithify has no use for: accepted, and nothing is said."""
MORPH_FLAGS = frozenset({"build-log-on-stdout", "no-distcc", "push-build-branches"})
"""Those of them that are booleans, whose option has no value."""
_OLD_NAMES = {"trove-prefix": "trove-id", "cache-server": "artifact-cache-server"}
"""morph's other names of a setting; where both are given, the setting's own name counts."""
_SHORT_NAMES = {"v": "verbose", "q": "quiet", "d": "debug"}

_SIZE = re.compile(r"(\d+)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw]?)", re.IGNORECASE)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_TRUE, _FALSE = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})
_STANDARD_ALIASES = (
    "freedesktop=git://anongit.freedesktop.org/#ssh://git.freedesktop.org/",
    "gnome=git://git.gnome.org/%s#ssh://git.gnome.org/git/%s",
    "github=git://github.com/%s#ssh://git@github.com/%s",
    "bitbucket=https://bitbucket.org/%s.git#ssh://git@bitbucket.org/%s.git",
)


class Settings(Struct, frozen=True, kw_only=True):
    """Every setting, with the value that holds for this run. Sizes are bytes, times seconds, None is "no limit"."""

    cachedir: Path = Path("/var/cache/lithify")
    """Store, layers, sources, and DESTDIRs and upper layers of running builds."""
    tempdir: Path | None = None
    """Build folders and scratch; by default below $TMPDIR."""
    cachedir_min_space: int = 1 << 30
    """Refuse to start below this much free space; 0 checks nothing."""
    tempdir_min_space: int = 1 << 30
    """The same for tempdir."""
    repo_alias: tuple[str, ...] = _STANDARD_ALIASES
    """``ALIAS=PULL#PUSH``; ``%s`` is replaced by the path, without it the path is appended."""
    trove_host: str = DEFAULT_TROVE_HOST
    """Host of the ``baserock:`` and ``upstream:`` aliases; empty is none."""
    trove_id: tuple[str, ...] = ()
    """More aliases on the Trove: ``NAME`` or ``NAME=PATH#PULLPROTOCOL#PUSHPROTOCOL``."""
    artifact_cache_server: str = ""
    """Where to look for artifacts; where only ``trove-host`` is given, port 8080 of it."""
    no_git_update: bool = False
    """Never ask git servers for anything."""
    max_jobs: int = 0
    """``make -jN`` of a chunk that says nothing of it; 0 is the number of processors."""
    local_changes: str = "include"
    """``include`` or ``ignore``."""
    build_ref_prefix: str = "baserock/builds"
    """Accepted for morph's sake; with a ``trove-id``, the first one's ``/builds``."""
    anchor_ref_format: str = "refs/heads/{trove_id}/anchors/{name}/{commit_sha1}"
    """Where ``anchor`` pushes."""
    partial: bool = False
    """Same as ``deploy --partial``."""
    scheduler: str = ""
    """Address for ``distbuild``."""
    mirror: tuple[tuple[str, str], ...] = ()
    """``PREFIX=URL``: where pinned archives, repositories and packages are fetched from instead."""
    staging_method: str = "auto"
    """``auto``, ``overlay``, ``fuse-overlayfs`` or ``copy``."""
    jobs: int = 0
    """Chunks built at once; 0 chooses by the number of processors."""
    memory_limit: int | None = None
    """Bytes that builds may take: all together, where there are control groups, else each process."""
    timeout: float | None = None
    """Seconds that a command may take whose chunk says nothing of it."""
    log_limit: int = 256 << 20
    """Bytes of a build log; of more, head and tail are kept."""
    no_ccache: bool = False
    """Compiler caches are not used: neither where chunks ask for one, nor, before format 9, where they stage a ccache."""
    fsync: bool = True
    """``no`` for caches that may be lost."""
    builder_id: str = ""
    """The URI by which you are known who vouch for the builds of this machine; stands in their provenance."""
    sign_gpg: str = ""
    """The GPG key that commits are signed with, by what gpg knows it by; empty signs none."""
    gpg_homedir: Path | None = None
    """Where gpg finds it; by default as gpg does."""
    sign_ed25519: Path | None = None
    """A file with the ed25519 key that commits are signed with, as ``openssl genpkey -algorithm ed25519`` writes it."""
    trusted_keys: tuple[str, ...] = ()
    """Files of public keys by which ``fsck --signatures`` checks: keyrings of ``gpg --export``, ed25519 keys as PEM."""
    gc_keep: int = 604800
    """Seconds that builds stay to which nothing refers."""
    cachedir_max_size: int | None = None
    """The size that ``gc`` keeps to."""
    verbose: bool = False
    """More on stderr."""
    quiet: bool = False
    """Errors alone on stderr."""
    debug: bool = False
    """Everything on stderr."""
    log: str = ""
    """A file that gets everything."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Setting → where its value comes from; those not in it have their default."""

    def repository_aliases(self) -> tuple[str, ...]:
        """Return all ``ALIAS=PULL#PUSH`` in force; one that the user gave wins over one that follows from the Trove."""
        given = {alias.partition("=")[0]: alias for alias in self.repo_alias}
        return tuple({**{a.partition("=")[0]: a for a in self._trove_aliases()}, **given}.values())

    def pull_aliases(self) -> dict[str, str]:
        """Return where each alias pulls from: a pattern with ``%s``, or a prefix."""
        pairs = (alias.partition("=") for alias in self.repository_aliases())
        return {name: urls.partition("#")[0] for name, equals, urls in pairs if equals}

    def _trove_aliases(self) -> list[str]:
        host = self.trove_host
        if not host:
            return []
        aliases = [
            f"baserock=git://{host}/baserock/%s#ssh://git@{host}/baserock/%s",
            f"upstream=git://{host}/delta/%s#ssh://git@{host}/delta/%s",
        ]
        urls = {"git": f"git://{host}", "ssh": f"ssh://git@{host}"}
        for entry in self.trove_id:
            name, _, rest = entry.partition("=")
            path, pull, push = [*rest.split("#"), "", ""][:3] if rest else (name, "ssh", "ssh")
            if pull not in urls or push not in urls:
                raise UsageError(f"trove-id {entry} is not NAME or NAME=PATH#PROTOCOL#PROTOCOL (git or ssh)")
            aliases.append(f"{name}={urls[pull]}/{path}/%s#{urls[push]}/{path}/%s")
        return aliases


SETTING_NAMES = tuple(name.replace("_", "-") for name in Settings.__struct_fields__ if name != "origins")
"""All settings, as they stand in files and options."""
_LISTS = frozenset({"repo-alias", "trove-id", "mirror", "trusted-keys"})
_BOOLEANS = frozenset({"no-git-update", "no-ccache", "partial", "fsync", "verbose", "quiet", "debug"})
_SIZES = frozenset(
    {"cachedir-min-space", "tempdir-min-space", "memory-limit", "log-limit", "cachedir-max-size"}
)
_NO_LIMIT = frozenset({"memory-limit", "cachedir-max-size"})
"""Sizes of which 0 is no limit."""
_COUNTS = frozenset({"max-jobs", "jobs"})
_DURATIONS = frozenset({"timeout", "gc-keep"})
_PATHS = frozenset({"cachedir", "tempdir", "gpg-homedir", "sign-ed25519"})
_CHOICES = {
    "local-changes": ("include", "ignore"),
    "staging-method": ("auto", "overlay", "overlay-classic", "fuse-overlayfs", "copy"),
}


def value_text(value: Any) -> str:
    """Return a setting's value as a file of settings may have it."""
    if isinstance(value, tuple):
        return ", ".join("=".join(item) if isinstance(item, tuple) else str(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)


def is_flag(name: str) -> bool:
    """Return whether a setting is a boolean, whose option needs no value."""
    return name in _BOOLEANS


class Layer(Struct, frozen=True, kw_only=True):
    """Settings from one place, unparsed: a later layer wins."""

    origin: str
    values: Mapping[str, str | Sequence[str]]


def read_file(text: str, origin: str) -> Layer:
    """Return the settings of an INI file; raises :class:`UsageError` where it is none."""
    parser = configparser.RawConfigParser(strict=False, interpolation=None)
    try:
        parser.read_string(text)
    except configparser.MissingSectionHeaderError as error:
        raise UsageError(
            f"{origin}:{error.lineno}: settings stand in a section", hints=[f"put [{SECTION}] above them"]
        ) from error
    except configparser.ParsingError as error:
        line, _ = error.errors[0]
        raise UsageError(f"{origin}:{line}: this is no KEY = VALUE") from error
    values = dict(parser.items(SECTION)) if parser.has_section(SECTION) else {}
    return Layer(origin=origin, values={name.replace("_", "-"): value for name, value in values.items()})


def setting_name(key: str) -> str:
    """Return the setting that a key of a file or an option means; the key itself where it means none."""
    return _SHORT_NAMES.get(key) or _OLD_NAMES.get(key) or key


def read_environment(environment: Mapping[str, str]) -> Layer:
    """Return the settings of ``LITHIFY_KEY`` variables that name one."""
    values = {
        name: environment[variable]
        for name in SETTING_NAMES
        if (variable := f"LITHIFY_{name.upper().replace('-', '_')}") in environment
    }
    return Layer(origin="environment", values=values)


def settings_of(
    layers: Sequence[Layer], *, defaults: Settings, home: str = ""
) -> tuple[Settings, tuple[str, ...]]:
    """Return the settings of all layers over the defaults, and warnings about keys that nobody knows.

    ``home`` is what ``~`` in a folder's name stands for. Raises :class:`UsageError` for a value that its setting cannot have.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    warnings: list[str] = []
    for layer in layers:
        for key, text in sorted(layer.values.items(), key=lambda item: item[0] in SETTING_NAMES):
            name = setting_name(key)
            if name in MORPH_ONLY:
                continue
            if name not in SETTING_NAMES:
                warnings.append(f"{layer.origin}: unknown setting {key}{_suggestion(key)}")
                continue
            values[name.replace("-", "_")] = _parsed(name, text, layer.origin, home)
            origins[name] = layer.origin
    _follow_trove(values, origins)
    settings = asdict(defaults)
    return Settings(**{**settings, **values, "origins": origins}), tuple(warnings)


def _suggestion(key: str) -> str:
    close = difflib.get_close_matches(key, SETTING_NAMES, n=1, cutoff=0.7)
    return f"; did you mean {close[0]}?" if close else ""


def _follow_trove(values: dict[str, Any], origins: dict[str, str]) -> None:
    """Fill in what morph made of the Trove where nothing else is said. The default Trove is never asked for artifacts."""
    if values.get("trove_host") and "artifact_cache_server" not in values:
        values["artifact_cache_server"] = f"http://{values['trove_host']}:8080/"
        origins["artifact-cache-server"] = "trove-host"
    if values.get("trove_id") and "build_ref_prefix" not in values:
        first = values["trove_id"][0].partition("=")[0]
        values["build_ref_prefix"] = f"{first}/builds"
        origins["build-ref-prefix"] = "trove-id"


def default_settings(environment: Mapping[str, str], *, root: bool, processors: int) -> Settings:
    """Return the defaults for this user and machine."""
    home = environment.get("HOME", "/")
    cache_home = environment.get("XDG_CACHE_HOME") or f"{home}/.cache"
    shared = root and not environment.get("XDG_CACHE_HOME")
    return Settings(
        cachedir=Path("/var/cache/lithify") if shared else Path(cache_home) / "lithify",
        max_jobs=min(processors, 20),
        jobs=max(1, min(processors, 8)),
    )


def _parsed(name: str, text: str | Sequence[str], origin: str, home: str) -> Any:
    if name in _LISTS:
        items = _list_items(text)
        return tuple(_pair(item, name, origin) for item in items) if name == "mirror" else items
    value = text if isinstance(text, str) else (text[-1] if text else "")
    value = value.strip()
    if name in _BOOLEANS:
        return _boolean(value, name, origin)
    if name in _SIZES:
        return parse_size(value or "0", f"{origin}: {name}") or (None if name in _NO_LIMIT else 0)
    if name in _COUNTS:
        return _count(value, name, origin)
    if name in _DURATIONS:
        seconds = _duration(value, f"{origin}: {name}")
        return int(seconds) if name == "gc-keep" else seconds or None
    if name in _PATHS:
        return _folder(value, name, origin, home)
    if name == "trove-host":
        return "" if value == "[]" else value
    choices = _CHOICES.get(name)
    if choices is not None and value not in choices:
        raise UsageError(f"{origin}: {name} is {value}, not one of {', '.join(choices)}")
    return value


def _list_items(text: str | Sequence[str]) -> tuple[str, ...]:
    texts = [text] if isinstance(text, str) else list(text)
    items = [item.strip() for part in texts for item in part.split(",")]
    return tuple(item for item in items if item and item != "[]")


def _pair(item: str, name: str, origin: str) -> tuple[str, str]:
    prefix, equals, url = item.partition("=")
    if not equals or not prefix or not url:
        raise UsageError(f"{origin}: {name} {item} is not PREFIX=URL")
    return prefix, url


def _folder(value: str, name: str, origin: str, home: str) -> Path | None:
    if not value and name == "cachedir":
        raise UsageError(f"{origin}: {name} is empty")
    own = value == "~" or value.startswith("~/")
    return Path(f"{home}{value[1:]}" if own and home else value) if value else None


def _boolean(value: str, name: str, origin: str) -> bool:
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise UsageError(f"{origin}: {name} is {value}, not yes or no")


def _count(value: str, name: str, origin: str) -> int:
    if not value.isdigit():
        raise UsageError(f"{origin}: {name} is {value}, not a number")
    return int(value)


def _duration(text: str, what: str) -> float:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise UsageError(f"{what} is {text}, not a time such as 90, 30m or 7d")
    return float(match[1]) * _SECONDS[match[2].lower()]


def parse_size(text: str, what: str = "size") -> int:
    """Return the bytes of a size such as ``20M`` (powers of 1024); raises :class:`UsageError` for anything else."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{what} is {text}, not a size such as 500M or 4G")
    return int(match[1]) * _UNITS[match[2].lower()]
