"""Installs speedmon on a machine for good, and removes it again: user, folders, units, namespace, database.

May import: config, system, model, localtime, store, netns.
"""
