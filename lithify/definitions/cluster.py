"""Clusters: which systems are deployed where, and how each is configured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from lithify.definitions.base import Definition
from lithify.definitions.context import Reading
from lithify.definitions.scalars import EMPTY, Description, List, Map, Name, Path, Text
from lithify.definitions.text import Fields
from lithify.definitions.values import FreeValue, free_value


class Deployment(Definition, frozen=True, kw_only=True):
    """Where a system goes, and how it is configured. Whatever is no field of its own is a variable."""

    kind_of_mapping: ClassVar[str] = "deployment"

    type: Text | None = None
    """A built-in deployment such as ``image``, ``tar`` or ``directory``, or an extension's path without ``.write``."""
    location: Text | None = None
    """Where it goes; what it means, the type says. A relative one is relative to the root of the definitions."""
    upgrade_type: Text | None = None
    """The type of ``lithify upgrade``; goes with ``upgrade-location``."""
    upgrade_location: Text | None = None
    """The location of ``lithify upgrade``."""
    partial_deploy_components: List[Text] = ()
    """Chunk or stratum files that ``--partial`` deploys."""
    values: Map[FreeValue] = EMPTY
    """Everything else, as written."""

    @classmethod
    def field_names(cls) -> Mapping[str, str]:
        """Return the fields that are not variables."""
        return {name: field for name, field in super().field_names().items() if field != "values"}

    @classmethod
    def fields_given(cls, data: Fields, reading: Reading) -> Mapping[str, Any]:
        """Return the own fields, and the variables below ``values``: none is unknown."""
        own = cls.field_names()
        numbers = reading.format.yaml_numbers
        values = {name: free_value(value, numbers) for name, value in data.items() if name not in own}
        fields = {name: value for name, value in data.items() if name in own}
        return {**fields, "values": values}


class ClusterSystem(Definition, frozen=True, kw_only=True):
    """A system of a cluster, with its deployments; nested ones go into the parent's tree."""

    kind_of_mapping: ClassVar[str] = "cluster system"

    morph: Path
    """The system file."""
    deploy: Map[Deployment] = EMPTY
    """Name → deployment."""
    deploy_defaults: Deployment = Deployment()
    """What holds for each of the deployments that does not say it itself."""
    subsystems: List[ClusterSystem] = ()
    """Systems whose deployments go into this one's tree, before it is configured."""


class ClusterFile(Definition, frozen=True, kw_only=True):
    """A file of kind cluster: systems, each deployed somewhere."""

    kind_of_mapping: ClassVar[str] = "cluster"
    strict_fields: ClassVar[bool] = True

    name: Name
    """The name of the cluster."""
    kind: Literal["cluster"] = "cluster"
    """``cluster``."""
    description: Description = ""
    """For people."""
    systems: List[ClusterSystem]
    """The systems, each with its deployments."""
