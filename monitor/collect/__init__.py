"""One speed test from request to stored row: policy, measuring, validation, retries.

May import: engines, diagnosis, store, config, system, model, localtime, netns.entry, netns.kernel, netns.probe.
"""
