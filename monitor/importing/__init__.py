"""Reads the files of other programs: one module per format. All are pure except `source` and `take`.

To add a format, write a module with a `Format` (`monitor.importing.model`) and list it in `monitor.importing.formats`.
"""
