"""A report as one HTML file that needs nothing else: style and pictures are in it, and there is no script.

Its look is `templates/report.css`; what each block becomes is in `templates/report.html`. The only importer of jinja2
below `web`.
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

# Pieces that are gathered before they are written: one is as short as a cell.
_PIECES = 2000


def write(document: Document, file: BinaryIO) -> None:
    """Write the report to an open file; the rows of its tables are written as they come.

    Raises:
        OSError: the file cannot be written.
    """
    told = list(sections(document.blocks))
    template = _environment().get_template("report.html")
    stream = template.stream(document=document, sections=told, contents=[each for each in told if each.heading])
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
