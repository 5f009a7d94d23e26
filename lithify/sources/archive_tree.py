"""The folder that archives are unpacked into: known whole in memory, so that no path on the way is ever a link.

Runs in the sandbox, below :mod:`lithify.sources.unpacker`; imports only what Python has, and little of that.
"""

from __future__ import annotations

import errno
import os

from lithify.sources.archive_members import BLOCK, Member, Refused

LINKS = 40
"""Symlinks followed for one path, as in the kernel."""
LONGEST_PATH = 4000
_REPORTED_OVERLAPS = 20


class Tree:
    """A folder that was empty, and all that is in it by now; nobody else writes to it."""

    def __init__(self, root: str, *, owners: bool, members: int, size: int) -> None:
        self._root = root
        self._owners = owners
        self._kinds: dict[str, str] = {"": "dir"}
        self._links: dict[str, str] = {}
        self._parents: dict[str, str] = {}
        self._made_by: dict[str, str] = {}
        self._folders: dict[str, tuple[int, int, int]] = {}
        self._members = members
        self._size = size
        self.count = 0
        self.bytes = 0
        self.kept = 0
        self.overlaps: list[tuple[str, str, str]] = []

    def symlink(self, path: str, target: str) -> None:
        """Make a symlink at a path whose folders are there."""
        os.symlink(target, self._full(path))
        self._kinds[path] = "symlink"
        self._links[path] = target
        self._parents.clear()

    def folder(self, path: str) -> None:
        """Make a folder, and those above it, at a path without links."""
        above = ""
        for part in path.split("/"):
            above = f"{above}/{part}" if above else part
            kind = self._kinds.get(above)
            if kind == "file":
                raise Refused("unsafe", f"{above} is both a file and a folder")
            if kind is None:
                os.mkdir(self._full(above), 0o755)
                os.chmod(self._full(above), 0o755)
                self._kinds[above] = "dir"

    def add(self, member: Member, archive: str, strip: int) -> None:
        """Unpack one member."""
        self.count += 1
        if self.count > self._members:
            raise Refused("limit", f"more than {self._members} files and folders")
        name = _inside(member.name, strip)
        if member.kind not in ("dir", "file", "symlink", "hardlink"):
            raise Refused("unsafe", f"{member.name} is a {member.kind}")
        if not name:
            return
        if member.kind == "dir":
            self._add_folder(name, member)
            return
        above, _, last = name.rpartition("/")
        parent = self._resolved_parent(above)
        path = f"{parent}/{last}" if parent else last
        if member.kind == "hardlink":
            self._add_hardlink(path, member, strip)
        elif self._make_room(path, member, archive):
            self._add_leaf(path, member)
        self._made_by[path] = archive
        self.kept += 1

    def finish(self) -> None:
        """Give folders their modes and owners, innermost first: a folder may forbid writing into it."""
        for path, (mode, uid, gid) in sorted(self._folders.items(), reverse=True):
            _own(self._full(path), path, uid, gid)
            os.chmod(self._full(path), mode)

    def _add_folder(self, name: str, member: Member) -> None:
        path = self._resolve(name)
        if path:
            self.folder(path)
            if self._owners:
                # As dpkg does: the first package that has a folder says what it is like.
                self._folders.setdefault(path, (member.mode, member.uid, member.gid))

    def _make_room(self, path: str, member: Member, archive: str) -> bool:
        """Remove what a later member replaces; return whether there is something to write at all."""
        kind = self._kinds.get(path)
        if kind is None:
            return True
        if kind == "symlink" and member.kind == "symlink" and self._links[path] == member.link:
            return False
        if kind == "dir":
            raise Refused("unsafe", f"{path} is both a folder and a {member.kind}")
        before = self._made_by.get(path, archive)
        if before != archive and len(self.overlaps) < _REPORTED_OVERLAPS:
            self.overlaps.append((path, before, archive))
        os.unlink(self._full(path))
        del self._kinds[path]
        if self._links.pop(path, None) is not None:
            self._parents.clear()
        return True

    def _add_leaf(self, path: str, member: Member) -> None:
        if member.kind == "symlink":
            if not member.link:
                raise Refused("damaged", f"{path} is a symlink to nothing")
            self.symlink(path, member.link)
            if self._owners:
                _own(self._full(path), path, member.uid, member.gid)
            return
        self.bytes += member.size
        if self.bytes > self._size:
            raise Refused("limit", f"more than {self._size >> 20} MiB")
        full = self._full(path)
        mode = member.mode if self._owners else 0o755 if member.mode & 0o111 else 0o644
        descriptor = os.open(full, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            _write(descriptor, member)
            if self._owners:
                _own(full, path, member.uid, member.gid)
            os.fchmod(descriptor, mode)  # after chown, which takes setuid off
            if self._owners and member.capability:
                os.setxattr(descriptor, "security.capability", member.capability)
        finally:
            os.close(descriptor)
        self._kinds[path] = "file"

    def _add_hardlink(self, path: str, member: Member, strip: int) -> None:
        name = _inside(member.link, strip)
        above, _, last = name.rpartition("/")
        parent = self._resolved_parent(above)
        target = f"{parent}/{last}" if parent else last
        if self._kinds.get(target) not in ("file", "symlink"):
            raise Refused(
                "unsafe", f"{member.name} is a hard link to {member.link}, which is not in the archive"
            )
        if path == target:
            return
        if path in self._kinds:
            if self._kinds[path] == "dir":
                raise Refused("unsafe", f"{path} is both a folder and a file")
            os.unlink(self._full(path))
        os.link(self._full(target), self._full(path), follow_symlinks=False)
        self._kinds[path] = self._kinds[target]
        self._links.pop(path, None)
        if target in self._links:
            self._links[path] = self._links[target]
        self._parents.clear()

    def _resolved_parent(self, name: str) -> str:
        found = self._parents.get(name)
        if found is None:
            found = self._resolve(name)
            if found:
                self.folder(found)
            self._parents[name] = found
        return found

    def _resolve(self, name: str) -> str:
        """Return where a path leads in the tree, links followed as if its root were the root of the system."""
        done: list[str] = []
        todo = name.split("/")[::-1]
        followed = 0
        while todo:
            part = todo.pop()
            if part in ("", "."):
                continue
            if part == "..":
                if done:
                    done.pop()
                elif not self._owners:
                    raise Refused("unsafe", f"{name} goes through a link that leads out of the archive")
                continue
            done.append(part)
            target = self._links.get("/".join(done))
            if target is None:
                continue
            followed += 1
            if followed > LINKS:
                raise Refused("unsafe", f"{name} goes through a loop of links")
            done.pop()
            if target.startswith("/"):
                if not self._owners:
                    raise Refused("unsafe", f"{name} goes through a link that leads out of the archive")
                done.clear()
            todo.extend(target.split("/")[::-1])
        path = "/".join(done)
        if len(os.fsencode(path)) > LONGEST_PATH:
            raise Refused("unsafe", f"{path[:60]}… is too long a path")
        return path

    def _full(self, path: str) -> str:
        return f"{self._root}/{path}"


def _own(full: str, path: str, uid: int, gid: int) -> None:
    try:
        os.chown(full, uid, gid, follow_symlinks=False)
    except (OSError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno not in (errno.EINVAL, errno.EPERM):
            raise
        raise Refused("unsafe", f"{path} belongs to {uid}:{gid}, ids that are not ours to give") from error


def _inside(name: str, strip: int) -> str:
    """Return a member's path below the tree without its first ``strip`` folders; "" where nothing is left of it."""
    if name.startswith("/"):
        raise Refused("unsafe", f"{name} is an absolute path")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise Refused("unsafe", f"{name} leads out of the archive")
    if len(os.fsencode(name)) > LONGEST_PATH:
        raise Refused("unsafe", f"{name[:60]}… is too long a path")
    return "/".join(parts[strip:])


def _write(descriptor: int, member: Member) -> None:
    if member.content is None:
        return
    left = member.size
    while left > 0:
        block = member.content.read(min(BLOCK, left))
        if not block:
            raise Refused("damaged", f"{member.name} ends in the middle")
        left -= len(block)
        view = memoryview(block)
        while view:
            view = view[os.write(descriptor, view) :]
