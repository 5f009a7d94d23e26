"""``type: directory``: the system as a folder.

Made by an ordinary user, its files belong to subordinate ids: that is said, with the command that removes it. Device nodes,
which the kernel lets nobody make in a user namespace, are listed in a file beside it.
"""

from __future__ import annotations

import errno
import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import asdict

from lithify.deploy.order import Order, Works, text_value
from lithify.errors import DeployError
from lithify.events import Warned
from lithify.store.checkout import Linking, check_out


class DirectoryType:
    """The deployment type ``directory``."""

    upgrades = False
    fields: Mapping[str, str] = {
        "owner": "`me` gives every file to the caller; without it owners are the system's",
        "hard-links": "`yes` makes hard links to the store's own files: at once and without room, and nobody may write to them",
    }

    def check(self, order: Order) -> None:
        """Raise for an owner that is none, and for owners that the store's own files would get."""
        if text_value(order, "owner", "system") not in ("system", "me"):
            raise DeployError(f"{order.name}: owner is `me`, or left out")
        if text_value(order, "hard-links", "no") not in ("yes", "no"):
            raise DeployError(f"{order.name}: hard-links is `yes` or `no`")
        if _linked(order) and text_value(order, "owner") == "me":
            raise DeployError(
                f"{order.name}: hard links are the store's own files, which keep their owners",
                hints=["leave out one of `owner` and `hard-links`"],
            )

    def write(self, order: Order, works: Works, target: Path) -> None:
        """Check the system out at ``target``."""
        owned_by_caller = text_value(order, "owner") == "me"
        if not owned_by_caller and not is_real_root(Path("/proc/self/uid_map").read_text()):
            works.report(Warned(text=_subordinate_owners(order.location)))
        content = order.content
        link: Linking = "always" if _linked(order) else "never"
        try:
            unmade = check_out(works.repository, content.tree, content.manifest, target, link=link)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            raise DeployError(
                f"{order.name}: {order.location.parent} and the cache {works.repository.path.parent} are on two file systems, "
                "and no hard link leads from one to the other",
                hints=["leave hard links out, or choose a place on the file system of the cache"],
            ) from error
        if owned_by_caller:
            give_to_caller(target)
        listing = order.location.with_name(order.location.name + ".devices")
        if unmade:
            listing.write_text(
                json.dumps([asdict(device) for device in unmade], indent=2) + "\n", encoding="utf-8"
            )
            works.report(Warned(text=f"device nodes cannot be made here: {len(unmade)} listed in {listing}"))
        else:
            listing.unlink(missing_ok=True)


def _linked(order: Order) -> bool:
    return text_value(order, "hard-links") == "yes"


def is_real_root(uid_map: str) -> bool:
    """Return whether uid 0 here is uid 0 of the machine, by the text of ``/proc/self/uid_map`` (inside outside count)."""
    return any(line.split()[:2] == ["0", "0"] for line in uid_map.splitlines())


def _subordinate_owners(location: Path) -> str:
    folder = shlex.quote(str(location))
    return (
        f"the files of {location} will belong to subordinate ids of yours; "
        f"to remove it: unshare --user --map-auto --map-root-user rm -rf {folder}; "
        "with `owner: me` (of a checkout `--owner me`) they are all yours"
    )


def give_to_caller(folder: Path) -> None:
    """Make the caller (in the namespace: its root) the owner of everything in a folder; setuid bits go, as they must."""
    uid, gid = os.geteuid(), os.getegid()
    os.chown(folder, uid, gid, follow_symlinks=False)
    for place, folders, files in os.walk(folder, onerror=_give_up):
        for name in (*folders, *files):
            os.chown(os.path.join(place, name), uid, gid, follow_symlinks=False)


def _give_up(error: OSError) -> None:
    raise error
