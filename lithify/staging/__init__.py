"""Where builds run: the user namespace, overlay layers, the sandbox, and the capture of what was installed.

Every mount and namespace call of lithify is made here. Manual: ``docs/internals/staging.md``.
"""
