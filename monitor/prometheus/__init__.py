"""The stored runs as metrics for Prometheus: read at each scrape, since runs come from other processes.

May import: store, analysis, config, model, localtime.
"""
