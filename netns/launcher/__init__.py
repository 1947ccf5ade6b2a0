"""The launcher `ip4only`: its C source, building, installing and recognising it, and the group that may run it.

May import: spec, errors.
"""
