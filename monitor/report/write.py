"""A report as files: the data, and the documents that name its hash. All of them, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor import output
from monitor.graph import kinds
from monitor.graph.terms import Terms
from monitor.report import data
from monitor.report.document import KINDS, document

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import BinaryIO

    from monitor.report.blocks import Document
    from monitor.report.evidence import Evidence, Subject
    from monitor.report.reading import Chosen


def write(evidence: Evidence, chosen: Chosen, title: str, table: Path, documents: Mapping[str, Path]) -> None:
    """Write the data to `table` and the documents by their form; the data takes its place first.

    Call `monitor.graph.setup.prepare` before.

    Raises:
        OutputError: a file cannot be written; then none is.
    """
    pictures = _pictures(evidence.subject, title)
    with output.whole_files([table, *documents.values()]) as (opened, *targets):
        with output.blamed(table, opened):
            beside = data.write(chosen.runs(), table.name, opened)
        for (form, file), target in zip(documents.items(), targets, strict=True):
            with output.blamed(file, target):
                _document(form, document(evidence, pictures, chosen.runs(), beside), evidence, target)


def _document(form: str, told: Document, evidence: Evidence, target: BinaryIO) -> None:
    if form == "html":
        from monitor.report import html  # noqa: PLC0415  each loads a library of its own

        html.write(told, target)
    else:
        from monitor.report.pdf import layout  # noqa: PLC0415  the same

        layout.write(told, evidence.subject.made_at, target)


def _pictures(about: Subject, title: str) -> dict[str, bytes]:
    """Return the graphs of a report by kind; none without runs."""
    terms = Terms(about.zone, about.plan, title)
    wanted = KINDS if len(about.columns) else ()
    return {kind: kinds.render(kind, about.columns, about.window, terms, scale=2) for kind in wanted}
