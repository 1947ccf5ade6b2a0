"""Looks at the network from inside the namespace and reports what works. Runs as a process of its own.

May import: nothing of this program.
"""
