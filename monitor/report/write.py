"""Writes the files of a report, all or none: the data as CSV, and the documents that state its hash."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor import output
from monitor.graph import kinds
from monitor.graph.terms import Terms
from monitor.graph.theme import RenderOptions
from monitor.report import data
from monitor.report.document import KINDS, document

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import BinaryIO

    from monitor.report.blocks import Document
    from monitor.report.evidence import Evidence, Subject
    from monitor.report.reading import Chosen


def write(evidence: Evidence, selection: Chosen, title: str, table: Path, documents: Mapping[str, Path]) -> None:
    """Write the data to `table` and the documents, which are given by format (html, pdf); the data first.

    `title` is that of the graphs. Call `monitor.graph.setup.prepare` before.

    Raises:
        OutputError: a file cannot be written; then none of them is.
    """
    pictures = _pictures(evidence.subject, title)
    with output.whole_files([table, *documents.values()]) as (opened, *targets):
        with output.blamed(table, opened):
            data_file = data.write(selection.runs(), table.name, opened)
        for (format_name, file), target in zip(documents.items(), targets, strict=True):
            with output.blamed(file, target):
                _document(format_name, document(evidence, pictures, selection.runs(), data_file), evidence, target)


def _document(format_name: str, report: Document, evidence: Evidence, target: BinaryIO) -> None:
    if format_name == "html":
        from monitor.report import html  # noqa: PLC0415  each loads a library of its own

        html.write(report, target)
    else:
        from monitor.report.pdf import layout  # noqa: PLC0415  the same

        layout.write(report, evidence.subject.made_at, target)


def _pictures(about: Subject, title: str) -> dict[str, bytes]:
    """Draw the graphs of a report; return PNGs by kind, none without runs."""
    terms = Terms(about.zone, about.plan, title)
    shown = KINDS if len(about.columns) else ()
    return {kind: kinds.render(kind, about.columns, about.window, terms, RenderOptions(scale=2)) for kind in shown}
