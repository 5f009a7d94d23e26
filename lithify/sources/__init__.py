"""Sources: git, archives, Debian packages, local folders and patches become one tree with a digest; the lock file."""
