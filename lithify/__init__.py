"""lithify turns sources into whole Linux systems, from declarative definitions.

ARCHITECTURE.md shows the flow; each sub-package imports from those above it in that flow, never from those below.
"""

__version__ = "0.1.0"
