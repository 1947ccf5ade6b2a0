"""The command line. A command parses options and calls one function; `--help` imports nothing heavy.

May import: everything in monitor; web only by name.
"""
