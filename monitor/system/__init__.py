"""Child processes, signals, locks and file writes: Unix, without knowledge of speed tests.

May import: errors.
"""
