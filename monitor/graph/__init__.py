"""Draws runs as PNG, SVG, PDF or text. The only home of matplotlib and uniplot.

May import: analysis, output, config.paths, model, localtime.
"""
