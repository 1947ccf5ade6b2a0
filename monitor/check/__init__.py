"""`speedmon check`: look, then judge.

May import: engines, diagnosis.probe, store, config, system, model, netns.
"""
