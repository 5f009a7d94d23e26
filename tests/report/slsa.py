"""The published form of SLSA v1 provenance in an in-toto statement, written down as a JSON Schema.

From https://slsa.dev/spec/v1.0/provenance (required: buildType, externalParameters, builder.id) and, for the statement and the
resource descriptors in it, in-toto's ``spec/v1``: a descriptor has at least one of uri, digest and content, a subject always a
digest, times are RFC 3339 in UTC, and digests by their known names are lower-case hex of their length. Fields beyond those of
the specifications are allowed there; none are allowed here, since we write none.
"""

from __future__ import annotations

from typing import Any

_HEX = {64: ("sha256", "lithifyContent", "lithifyTree")}
_URI = {"type": "string", "pattern": r"^[A-Za-z][A-Za-z0-9+.-]*:\S+$"}
_TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}
_DIGEST = {
    "type": "object",
    "minProperties": 1,
    "properties": {
        **{name: {"type": "string", "pattern": "^[0-9a-f]{64}$"} for name in _HEX[64]},
        **{
            name: {"type": "string", "pattern": "^([0-9a-f]{40}|[0-9a-f]{64})$"}
            for name in ("gitCommit", "gitTree")
        },
    },
    "additionalProperties": False,
}
_RESOURCE = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "uri": _URI,
        "digest": _DIGEST,
        "content": {"type": "string", "contentEncoding": "base64"},
        "downloadLocation": _URI,
        "mediaType": {"type": "string"},
        "annotations": {"type": "object"},
    },
    "anyOf": [{"required": [name]} for name in ("uri", "digest", "content")],
    "additionalProperties": False,
}
_RESOURCES = {"type": "array", "items": _RESOURCE}
_BUILDER = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": _URI,
        "version": {"type": "object", "additionalProperties": {"type": "string"}},
        "builderDependencies": _RESOURCES,
    },
    "additionalProperties": False,
}
_METADATA = {
    "type": "object",
    "properties": {"invocationId": {"type": "string"}, "startedOn": _TIME, "finishedOn": _TIME},
    "additionalProperties": False,
}
_PREDICATE = {
    "type": "object",
    "required": ["buildDefinition", "runDetails"],
    "properties": {
        "buildDefinition": {
            "type": "object",
            "required": ["buildType", "externalParameters"],
            "properties": {
                "buildType": _URI,
                "externalParameters": {"type": "object"},
                "internalParameters": {"type": "object"},
                "resolvedDependencies": _RESOURCES,
            },
            "additionalProperties": False,
        },
        "runDetails": {
            "type": "object",
            "required": ["builder"],
            "properties": {"builder": _BUILDER, "metadata": _METADATA, "byproducts": _RESOURCES},
            "additionalProperties": False,
        },
    },
    "additionalProperties": False,
}
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "in-toto Statement v1 with SLSA Provenance v1",
    "type": "object",
    "required": ["_type", "subject", "predicateType", "predicate"],
    "properties": {
        "_type": {"const": "https://in-toto.io/Statement/v1"},
        "subject": {
            "type": "array",
            "minItems": 1,
            "items": {"allOf": [_RESOURCE, {"required": ["digest"]}]},
        },
        "predicateType": {"const": "https://slsa.dev/provenance/v1"},
        "predicate": _PREDICATE,
    },
    "additionalProperties": False,
}
