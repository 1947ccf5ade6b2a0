"""A report as a PDF on A4: fonts embedded, contents, bookmarks, links, and a number on each page."""
