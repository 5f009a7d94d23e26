"""``type: directory``: the system as a folder.

Made by an ordinary user, its files belong to subordinate ids: that is said, with the command that removes it. Device nodes
that this user may not make are listed in a file beside it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from lithify.deploy.order import Order, Works, text_value
from lithify.errors import DeployError
from lithify.events import Note
from lithify.store.checkout import check_out


class DirectoryType:
    """The deployment type ``directory``."""

    fields: Mapping[str, str] = {
        "owner": "`me` gives every file to the caller; without it owners are the system's"
    }

    def check(self, order: Order) -> None:
        """Raise where the location is taken by something that this deployment did not make."""
        if text_value(order, "owner", "system") not in ("system", "me"):
            raise DeployError(f"{order.name}: owner is `me`, or left out")

    def write(self, order: Order, works: Works, target: Path) -> None:
        """Check the system out at ``target``."""
        unmade = check_out(works.repository, order.content.tree, order.content.manifest, target)
        if text_value(order, "owner") == "me":
            give_to_caller(target)
        listing = order.location.with_name(order.location.name + ".devices")
        if unmade:
            listing.write_text(json.dumps([asdict(device) for device in unmade], indent=2) + "\n")
            works.report(
                Note(text=f"{len(unmade)} device nodes are listed in {listing}: only root can make them")
            )
        else:
            listing.unlink(missing_ok=True)


def give_to_caller(folder: Path) -> None:
    """Make the caller (root of the namespace) the owner of everything in a folder; setuid bits go, as they must."""
    os.chown(folder, 0, 0, follow_symlinks=False)
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(os.path.join(place, name), 0, 0, follow_symlinks=False)
