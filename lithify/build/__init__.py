"""From a resolved chunk or system to an artifact in the store: staging, commands, capture, publishing."""
