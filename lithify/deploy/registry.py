"""All types of deployment, by name. A new one is one file, one line here, one test file."""

from __future__ import annotations

from collections.abc import Mapping

from lithify.definitions.nearest import did_you_mean
from lithify.deploy.directory import DirectoryType
from lithify.deploy.image import ImageType
from lithify.deploy.order import DeploymentType
from lithify.deploy.tar import TarType
from lithify.errors import DeployError

TYPES: Mapping[str, DeploymentType] = {"directory": DirectoryType(), "image": ImageType(), "tar": TarType()}


LATER = frozenset(
    (
        *("initramfs", "oci", "ostree", "rawdisk", "sysroot"),
        *("distbuild-trove-nfsboot", "image-package", "jffs2", "kvm", "nfsboot", "openstack"),
        *("pxeboot", "sdk", "ssh-rsync", "virtualbox-ssh"),
    )
)
"""Types of format 9 and of morph that are not there yet."""


def type_named(name: str, deployment: str) -> DeploymentType:
    """Return a type; raises :class:`DeployError` with the nearest names for an unknown one."""
    found = TYPES.get(name)
    if found is None:
        raise DeployError(
            f"{deployment}: the deployment type {name} is not there yet"
            if name in LATER
            else f"{deployment}: unknown deployment type {name or '(none)'}",
            hints=[did_you_mean(name, TYPES) or f"known types: {', '.join(sorted(TYPES))}"],
        )
    return found
