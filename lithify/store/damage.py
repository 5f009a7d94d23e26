"""The error for an object that is missing or is not what its name says."""

from __future__ import annotations

from typing import Literal

from lithify.errors import Damaged

ObjectKind = Literal["commit", "dirtree", "dirmeta", "file"]


class DamagedObject(Damaged):
    """An object of the store is damaged or missing; :func:`lithify.store.healing.heal` takes its fields."""

    def __init__(self, kind: ObjectKind, checksum: str, reason: str) -> None:
        super().__init__(
            f"the store is damaged: {kind} {checksum} {reason}",
            hints=["`lithify fsck --repair` drops what is damaged, and the next build makes it again"],
        )
        self.kind: ObjectKind = kind
        self.checksum = checksum
        self.reason = reason
