"""Report subjects made of invented runs, and a document as plain text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from example_runs import make_attempt

from monitor.analysis.columns import Columns
from monitor.analysis.outages import find_incidents
from monitor.localtime import Window
from monitor.model import Failure, FailureKind, Plan, Run, Scope, Status
from monitor.report.document import DataFile, Facts, Heading, Picture, Table, Text
from monitor.report.evidence import Evidence, ReportSubject
from monitor.report.sections.assemble import assemble_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from monitor.report.document import Block

BERLIN = ZoneInfo("Europe/Berlin")

START = datetime(2026, 10, 20, tzinfo=UTC)

SOLD = Plan(download_bps=100_000_000, upload_bps=20_000_000, latency_ms=30)

DATA = DataFile("speedmon-30d.csv", "ab" * 32, 1_000_000)


def run(minutes: float, **changes: Any) -> Run:
    """Return a measured run that started so many minutes after START, with changes."""
    return make_attempt(started_at=START + timedelta(minutes=minutes), **changes).run


def failed(minutes: float, scope: Scope = Scope.LINE, kind: FailureKind = FailureKind.DNS) -> Run:
    """Return a failed run."""
    failure = Failure(kind, scope, "configuration", "Could not resolve host", 2)
    return run(minutes, status=Status.FAILED, failure=failure, latency_ms=None, jitter_ms=None, server=None, isp=None)


def subject(runs: Sequence[Run], days: float = 10, **changes: Any) -> ReportSubject:
    """Return a report's subject: runs in the given number of days from START."""
    defaults: dict[str, Any] = {
        "columns": Columns.from_runs(runs),
        "window": Window(START, START + timedelta(days=days)),
        "zone": BERLIN,
        "made_at": START + timedelta(days=days),
        "version": "0.1.0",
        "plan": SOLD,
        "incidents": tuple(find_incidents(runs)),
    }
    return ReportSubject(**(defaults | changes))


def text(evidence: Evidence, runs: Iterable[Run] = (), pictures: dict[str, bytes] | None = None) -> str:
    """Return a document as plain text, a line a block or a row."""
    report = assemble_document(evidence, pictures or {}, runs, DATA)
    return "\n".join([report.title, report.subtitle, *(line for block in report.blocks for line in _lines(block))])


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Heading():
            yield f"{'#' * block.level} {block.text}"
        case Text():
            yield block.text
        case Facts():
            yield from (f"{name}: {value}" for name, value in block.rows)
        case Table():
            yield f"[{block.caption}]"
            yield " | ".join(column.name for column in block.columns)
            yield from (" | ".join(cell.text for cell in row) for row in block.rows)
        case Picture():
            yield f"(picture: {block.alt})"
