"""The text of each section. Change wording here.

May import: report.document, report.wording, report.evidence, analysis.
"""
