"""A cluster's deployments: a finished system becomes a disk image, a tar or a folder; and an image is booted.

Everything is written from the store's metadata and the manifest, without root, loop devices or mounts. Manual:
``docs/reference/deployments.md``.
"""
