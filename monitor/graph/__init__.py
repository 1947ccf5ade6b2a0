"""Graphs of runs, as PNG, SVG, PDF or text. `kinds.render` draws any of them; call `setup.prepare` first."""
