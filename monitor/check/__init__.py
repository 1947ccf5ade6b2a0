"""`speedmon check`: observe, then judge.

May import: engines, diagnosis.diagnose, store, config, system, model, netns.
"""
