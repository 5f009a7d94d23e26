"""What to build, which next, where; the outcome of a run as events."""
