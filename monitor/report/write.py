"""Writes the files of a report, all or none: the data as CSV, and the documents that state its hash.

An HTML report is one self-contained file: styles and pictures are embedded, and there is no script. The style sheet is
`templates/report.css`; the mark-up of each block is in `templates/report.html`. The CSV has the columns of
`speedmon export` and is hashed while it is written.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from monitor.graph import render
from monitor.graph.render import GraphContext
from monitor.graph.theme import RenderOptions
from monitor.output import export
from monitor.report.document import DataFile, number_sections
from monitor.report.pdf import layout
from monitor.report.sections.assemble import GRAPH_KINDS, assemble_document
from monitor.system import files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import BinaryIO

    from monitor.model import Run
    from monitor.report.document import Block, Document
    from monitor.report.evidence import Evidence, ReportSubject
    from monitor.report.load import RunSelection


# Pieces of HTML, which are as short as a cell, are written so many at once.
_BUFFERED_PIECES = 2000


def write_report(
    evidence: Evidence, selection: RunSelection, title: str, table: Path, documents: Mapping[str, Path]
) -> None:
    """Write the data to `table` and the documents, which are given by format (html, pdf); the data first.

    `title` is that of the graphs. Call `monitor.graph.render.prepare_matplotlib` before.

    Raises:
        OutputError: a file cannot be written; then none of them is.
    """
    pictures = _draw_graphs(evidence.subject, title)
    with files.atomic_files([table, *documents.values()]) as (opened, *targets):
        with files.blame_file(table, opened):
            data_file = write_csv(selection.runs(), table.name, opened)
        for (format_name, file), target in zip(documents.items(), targets, strict=True):
            with files.blame_file(file, target):
                document = assemble_document(evidence, pictures, selection.runs(), data_file)
                if format_name == "html":
                    write_html(document, target)
                else:
                    layout.write(document, evidence.subject.made_at, target)


def _draw_graphs(subject: ReportSubject, title: str) -> dict[str, bytes]:
    """Draw the graphs of a report; return PNGs by kind, none without runs."""
    context, options = GraphContext(subject.zone, subject.plan, title, subject.met_pct), RenderOptions(scale=2)
    kinds = GRAPH_KINDS if len(subject.columns) else ()
    return {kind: render.render(kind, subject.columns, subject.window, context, options) for kind in kinds}


def write_html(document: Document, file: BinaryIO) -> None:
    """Write a report to an open file; rows of tables are written as they are made.

    Raises:
        OSError: the file cannot be written.
    """
    numbered = list(number_sections(document.blocks))
    contents = [section for section in numbered if section.heading]
    template = _template_environment().get_template("report.html")
    stream = template.stream(document=document, sections=numbered, contents=contents)
    stream.enable_buffering(_BUFFERED_PIECES)
    stream.dump(file, encoding="utf-8")


def _template_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"kind": _block_kind, "base64": lambda content: b64encode(content).decode()}
    return environment


def _block_kind(block: Block) -> str:
    return type(block).__name__


def write_csv(runs: Iterable[Run], name: str, file: BinaryIO) -> DataFile:
    """Write runs to an open file; return the name that it will have, its hash and its number of runs.

    Raises:
        OSError: the file cannot be written.
    """
    digest, lines = hashlib.sha256(), 0
    for line in export.to_csv_lines(runs):
        content = line.encode()
        digest.update(content)
        file.write(content)
        lines += 1
    return DataFile(name, digest.hexdigest(), lines - 1)
