"""What other programs measured, read from their files: one module a format, all pure but `source` and `take`.

To add a format, write a module with a `Format` (`monitor.importing.model`) and name it in `monitor.importing.formats`.
"""
