"""The evidence report for an ISP, as HTML and PDF with its data as CSV.

May import: analysis, output, store, graph, system, model, localtime.
"""
