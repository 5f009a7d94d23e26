"""Definitions become sources and artifacts with their edges and keys: pure functions on immutable data."""
