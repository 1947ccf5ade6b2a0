"""Why a test failed and whose fault it is.

May import: engines, system, config, model, netns.probe.
"""
