"""Reads the files of other programs: one file a format, and the machinery they share.

May import: engines, diagnosis.classify, store, output.export, system, model.
"""
