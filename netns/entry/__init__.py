"""How a command gets into the namespace.

`enter` runs before every test, so it imports only small parts of the standard library.
May import: errors, kernel, launcher, resolver.
"""
