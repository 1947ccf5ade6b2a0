"""Writes a report as one self-contained HTML file: styles and pictures are embedded, and there is no script.

The style sheet is `templates/report.css`; the mark-up of each block is in `templates/report.html`. The only module of
`monitor` that imports jinja2.
"""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from monitor.report.outline import sections

if TYPE_CHECKING:
    from typing import BinaryIO

    from monitor.report.blocks import Block, Document

# So many pieces of output, which are as short as a cell, are written at once.
_PIECES = 2000


def write(document: Document, file: BinaryIO) -> None:
    """Write a report to an open file; rows of tables are written as they are made.

    Raises:
        OSError: the file cannot be written.
    """
    numbered = list(sections(document.blocks))
    contents = [section for section in numbered if section.heading]
    template = _environment().get_template("report.html")
    stream = template.stream(document=document, sections=numbered, contents=contents)
    stream.enable_buffering(_PIECES)
    stream.dump(file, encoding="utf-8")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"kind": _kind, "base64": lambda content: b64encode(content).decode()}
    return environment


def _kind(block: Block) -> str:
    return type(block).__name__
