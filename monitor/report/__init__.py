"""The evidence report: one HTML file or PDF to hand to an ISP, and the data it was made from as CSV beside it.

`blocks` is what a document is made of, between who computes and words it and who writes it as HTML or PDF.
"""
