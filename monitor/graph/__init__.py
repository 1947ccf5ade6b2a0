"""The PNG graph. `data`, `stats`, `scale`, `ticks`, `envelope` and `words` are pure; the others draw with matplotlib.

`picture` puts it together; call `setup.prepare` before it is imported.
"""
