"""The evidence report for an ISP, as HTML and PDF, with the data that it was made from as CSV.

The sections turn evidence into the blocks of a document; HTML and PDF write those blocks.
"""
