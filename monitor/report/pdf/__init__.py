"""The report on A4 pages. The only home of fpdf2.

May import: report.document.
"""
