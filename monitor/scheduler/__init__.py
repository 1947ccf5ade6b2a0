"""What runs for a long time: the schedule of tests and of published graphs, each carried out by a child process.

May import: store, graph.render, output.units, config, system, model, localtime.
"""
