"""Input that is made to hurt, each refused with a clear error or handled right; ``python -m tests.hostile``."""
