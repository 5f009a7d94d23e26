"""The OSTree repository: commit, look up, merge, check out, verify, collect garbage.

Reading (:mod:`~lithify.store.reading` and what it imports) needs neither GObject introspection nor a namespace; writing
(:mod:`~lithify.store.writing`) does. Manual: ``docs/internals/store-and-merge.md``.
"""
