"""``lithify upgrade``."""

from __future__ import annotations

import typer

from lithify.cli.deploy import Words, deploy_cluster
from lithify.cli.origin import RefOption, RepoOption, origin_of
from lithify.cli.timing import TimingsFile, TimingsOption, timings_of


def command(
    ctx: typer.Context,
    words: Words,
    repo: RepoOption = "",
    ref: RefOption = "",
    timings: TimingsOption = False,
    timings_file: TimingsFile = "",
) -> None:
    """Upgrade what the deployments of a cluster made before, by its `upgrade-type` at its `upgrade-location`.

    A deployment that has neither is upgraded by its type at its location, with a warning. None is begun where one of them has
    a type that cannot be upgraded: of those that there are so far, none can.

    \b
    Examples:
      lithify upgrade clusters/demo.morph
      lithify upgrade demo device
      lithify upgrade demo device device.VERSION_LABEL=2
    """
    origin = origin_of(repo, ref)
    deploy_cluster(ctx.obj, words, origin, timings_of(ctx.obj, timings, timings_file), upgrade=True)
