"""Definitions: text becomes typed, checked, immutable data; every fault carries its file, line and column.

Start with :mod:`lithify.definitions.model` (what a file may hold) and :mod:`lithify.definitions.formats` (what differs
between the formats 0 to 9). Nothing here resolves a name across files into a graph: that is ``graph/``.
"""
