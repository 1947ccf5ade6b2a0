"""The speed-test programs: one file each, the interface they share, and the registry.

May import: config, system, model, errors, netns.entry.
"""
