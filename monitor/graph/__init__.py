"""Draws runs as PNG, SVG, PDF or text. The only home of matplotlib (canvas) and uniplot (terminal).

May import: analysis, output, config.paths, model, localtime. `render.render` is the way in; `trace` and `terminal` draw
what is not a kind of graph.
"""
