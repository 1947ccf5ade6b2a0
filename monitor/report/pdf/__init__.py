"""A report as a PDF on A4: fonts embedded, contents, bookmarks, links, and a number on each page.

`paper` is the sheets and the only importer of fpdf, `look` its measures; `layout` puts blocks on them, `grid` tables,
`contents` the contents; `wrap` breaks lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.report.pdf.layout import lay_out
from monitor.report.pdf.paper import Paper

if TYPE_CHECKING:
    from datetime import datetime
    from typing import BinaryIO

    from monitor.report.blocks import Document


def write(document: Document, made_at: datetime, file: BinaryIO) -> None:
    """Write the report to an open file; the same report made at the same time gives the same bytes.

    Raises:
        OSError: the file cannot be written.
    """
    paper = Paper(document.title, made_at)
    lay_out(document, paper)
    file.write(paper.finished(document.subtitle))
