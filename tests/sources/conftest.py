"""A context with a cache of its own, a sandbox, a small HTTP server and real git repositories."""

from __future__ import annotations

import http.server
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pytest
from msgspec import Struct, field

from lithify.cache import open_cache
from lithify.errors import LithifyError
from lithify.events import Event
from lithify.facts import Facts
from lithify.process import Completed, run, tool_environment
from lithify.sources.kinds import SourceContext

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other users")


def sandbox(
    argv: Sequence[str],
    *,
    writable: Sequence[Path] = (),
    readable: Sequence[Path] = (),
    cwd: Path | None = None,
    stdin: bytes | IO[bytes] = b"",
    timeout: float | None = None,
    expected: Sequence[int] | None = (0,),
) -> Completed:
    """Run a program with nothing of the host but /usr and the given paths."""
    words = ["bwrap", "--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    if os.geteuid() != 0:
        words += ["--unshare-user", "--uid", "0", "--gid", "0"]
    for name in ("bin", "sbin", "lib", "lib64"):
        words += ["--symlink", f"usr/{name}", f"/{name}"]
    words += ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--die-with-parent"]
    words += ["--new-session", "--clearenv", "--setenv", "PATH", "/usr/bin:/bin"]
    for path in readable:
        words += ["--ro-bind", str(path), str(path)]
    for path in writable:
        words += ["--bind", str(path), str(path)]
    words += ["--chdir", str(cwd or "/"), "--", *argv]
    return run(words, env=tool_environment(), stdin=stdin, timeout=timeout, expected=expected)


class Place(Struct):
    """A definitions folder, a cache and what was reported."""

    root: Path
    cache_root: Path
    events: list[Event] = field(default_factory=list)

    def __call__(self, **changes: Any) -> SourceContext:
        cache = open_cache(self.cache_root)
        values: dict[str, Any] = {
            "cache": cache,
            "facts": Facts(cache.facts),
            "definitions_root": self.root,
            "confined": sandbox,
            "report": self.events.append,
            "git_environment": dict(os.environ),
        }
        context = SourceContext(**{**values, **changes})
        self._open.append(context)
        return context

    _open: list[SourceContext] = field(default_factory=list)

    def close(self) -> None:
        for context in self._open:
            context.facts.close()
            context.spoolers.close()

    def told(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    (tmp_path / "definitions").mkdir()
    place = Place(root=tmp_path / "definitions", cache_root=tmp_path / "cache")
    yield place
    place.close()


@pytest.fixture
def context(place: Place) -> SourceContext:
    return place()


class Server(Struct):
    """A folder served over HTTP, with what it was asked for, and paths at which it misbehaves."""

    folder: Path
    url: str = ""
    asked: list[str] = field(default_factory=list)
    status: dict[str, int] = field(default_factory=dict)
    cut_after: dict[str, int] = field(default_factory=dict)
    instead: dict[str, bytes] = field(default_factory=dict)

    def put(self, name: str, content: bytes) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return f"{self.url}/{name}"


class _Handler(http.server.SimpleHTTPRequestHandler):
    served: Server

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.served.asked.append(path)
        if path in self.served.status:
            self.send_error(self.served.status[path])
        elif path in self.served.cut_after:
            content = (self.served.folder / path[1:]).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: self.served.cut_after[path]])
            self.close_connection = True
        elif path in self.served.instead:
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.served.instead[path])))
            self.end_headers()
            self.wfile.write(self.served.instead[path])
        else:
            super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "served"
    folder.mkdir()
    served = Server(folder=folder)

    def handler(*args: Any) -> _Handler:
        kind = type("Handler", (_Handler,), {"served": served})
        return kind(*args, directory=str(folder))

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        served.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        server.shutdown()
        thread.join()


class Repository(Struct):
    """A git repository with a work tree."""

    path: Path

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", "-c", "protocol.file.allow=always", *words],
            cwd=self.path,
            check=True,
            capture_output=True,
        )
        return done.stdout.decode().strip()

    def commit(self, message: str = "change", **files: str) -> str:
        for name, content in files.items():
            path = self.path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Callable[..., Repository]:
    def make(name: str = "project") -> Repository:
        path = tmp_path / "repositories" / name
        path.mkdir(parents=True)
        found = Repository(path)
        found.git("init", "-q")
        return found

    return make


def fails(kind: type[LithifyError], *parts: str) -> Any:
    """Expect an error of a kind whose message and hints hold each of ``parts``."""
    return _Fails(kind, parts)


class _Fails:
    def __init__(self, kind: type[LithifyError], parts: Sequence[str]) -> None:
        self._kind = kind
        self._parts = parts

    def __enter__(self) -> _Fails:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        assert kind is not None, f"{self._kind.__name__} was not raised"
        if not issubclass(kind, self._kind):
            return False
        said = "\n".join([error.message, *error.hints])
        for part in self._parts:
            assert part in said, said
        return True


@pytest.fixture(scope="session")
def signing_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """A home of gpg with one key, and the public half of it."""
    # Not below pytest's own folder: the path of gpg's socket may not be long.
    with tempfile.TemporaryDirectory(prefix="gpg-", ignore_cleanup_errors=True) as name:
        home = Path(name)
        gpg = ["gpg", "--homedir", name, "--batch", "--quiet"]
        make = [
            "--passphrase",
            "",
            "--quick-generate-key",
            "T <t@example.invalid>",
            "ed25519",
            "sign",
            "never",
        ]
        subprocess.run([*gpg, *make], check=True, capture_output=True)
        public = home / "public.gpg"
        public.write_bytes(subprocess.run([*gpg, "--export"], check=True, capture_output=True).stdout)
        yield home, public
        subprocess.run(["gpgconf", "--homedir", name, "--kill", "all"], check=False)
