"""How a command gets into the namespace. `enter.py` runs before every test and imports only small parts of the standard library.

May import: errors, kernel, launcher, resolver.
"""
