"""The bench of faults: what must not go wrong, done many times over; the long form is ``script/faults``."""
