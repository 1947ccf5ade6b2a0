"""Talks to the kernel: rtnetlink, /run/netns, joining a namespace.

May import: state, errors.
"""
