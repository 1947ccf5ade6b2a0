"""Sections: outages of the line, with times and causes; failed tests and who is at fault. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from monitor.analysis.availability import incident_span, watched_seconds
from monitor.model import Scope
from monitor.output import units
from monitor.report import wording
from monitor.report.document import Cell, Column, Facts, Heading, Table, Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from monitor.analysis.outages import Incident
    from monitor.analysis.statistics import AttemptCounts
    from monitor.model import FailureKind
    from monitor.report.document import Block
    from monitor.report.evidence import Evidence


# At most so many outages are listed, the longest.
MAX_OUTAGES = 1000

_OUTAGE_COLUMNS: tuple[Column, ...] = (
    Column("Began"),
    Column("Ended"),
    Column("Duration", "right"),
    Column("Cause"),
    Column("Failed tests", "right"),
    Column("Message of the first failed test"),
    Column("Last good test before"),
    Column("Last failed test"),
)

_OUTAGE_CAPTION = "Outages, each from the first failed test to the first that shows that the line works again"

_SOURCE_COLUMN = Column("Seen by")

_OUTAGE_NOTE = (
    "An outage is seen only if a test runs during it. Each began at some time between the last good test before it and "
    "its first failed test, and ended between its last failed test and the time given as its end; shorter ones between "
    "two tests are not seen. A test that failed for another reason ends an outage if packets came back over the line "
    "meanwhile, such as an error message of the test's service. If a pause of the tests interrupts an outage, only the "
    "time that was watched counts."
)

_FAULT_NOTE = (
    "When a test fails, the program usually checks at once what still answers: the router, name servers, two "
    "independent hosts on the internet and the test's own service. This shows whether the line, the test's operator or "
    "this machine is at fault. Where that is unclear, the cause counts as not known, not as the line."
)


def outage_blocks(evidence: Evidence) -> Iterator[Block]:
    """Yield the section on outages."""
    yield Heading("Outages of the line")
    watched = evidence.figures.watched
    if not evidence.figures.downtime.watched_s:
        yield Text("The line was not watched in this window, so nothing can be said about outages.", "note")
        return
    yield Facts(tuple(_outage_totals(evidence)))
    inside = [
        outage for outage in evidence.subject.incidents if incident_span(outage, watched, evidence.subject.window)
    ]
    if not inside:
        yield Text("The tests saw no outage of the line.")
        return
    shown, columns = _longest_outages(inside), _OUTAGE_COLUMNS
    rows = [_outage_row(outage, evidence) for outage in shown]
    if len({(outage.probe, outage.path) for outage in inside}) > 1:
        yield Text("An outage that several probes or paths saw at once counts once, but is listed for each.", "note")
        columns = (_SOURCE_COLUMN, *_OUTAGE_COLUMNS)
        rows = [(Cell(f"{outage.probe}, {outage.path}"), *row) for outage, row in zip(shown, rows, strict=True)]
    if len(shown) < len(inside):
        yield Text(
            f"Of {len(inside):,} outages, the table lists the {MAX_OUTAGES:,} longest. "
            "The data beside this report has all.",
            "note",
        )
    yield Table(_OUTAGE_CAPTION, columns, rows)
    yield Text(_OUTAGE_NOTE, "note")


def _longest_outages(incidents: Sequence[Incident]) -> list[Incident]:
    """Return the longest incidents, by start; one that has not ended counts as infinitely long."""
    longest = sorted(incidents, key=lambda one: math.inf if one.length_s is None else one.length_s, reverse=True)
    return sorted(longest[:MAX_OUTAGES], key=lambda one: (one.began, one.probe, one.path))


def _outage_totals(evidence: Evidence) -> Iterator[tuple[str, str]]:
    downtime = evidence.figures.downtime
    ongoing = f", of which {downtime.ongoing:,} had not ended" if downtime.ongoing else ""
    yield "Outages", f"{downtime.outages:,}{ongoing}"
    yield "Total downtime", units.format_duration(downtime.down_s)
    yield "Time watched", f"{units.format_duration(downtime.watched_s)}, without the pauses in which no test ran"
    if downtime.available_pct is not None:
        yield "Availability", f"{units.format_percent(downtime.available_pct)} of the time watched"
    if downtime.outages:
        yield "Longest outage", units.format_duration(downtime.longest_s)


def _outage_row(incident: Incident, evidence: Evidence) -> tuple[Cell, ...]:
    zone, watched = evidence.subject.zone, evidence.figures.watched
    inside = incident_span(incident, watched, evidence.subject.window) or (0.0, 0.0)
    duration = units.format_duration(watched_seconds(inside, watched))
    return (
        Cell(units.format_table_time_with_offset(incident.began, zone)),
        Cell(
            units.format_table_time_with_offset(incident.ended, zone) if incident.ended else "not before the last test"
        ),
        Cell(duration if incident.ended else f"at least {duration}"),
        Cell(wording.KIND_PHRASES[incident.kind]),
        Cell(f"{incident.failures:,}"),
        Cell(incident.message),
        Cell(_edge_text(incident.last_good, zone) or "none in this window"),
        Cell(_edge_text(incident.last_failed, zone)),
    )


def _edge_text(at: datetime | None, zone: ZoneInfo) -> str:
    return units.format_table_time_with_offset(at, zone) if at else ""


def failure_blocks(evidence: Evidence) -> Iterator[Block]:
    """Yield the section on failed tests: which are the line's fault and which are not."""
    yield Heading("Failed tests: what is the line's fault and what is not")
    counts = evidence.figures.counts
    if not counts.broken:
        were = "was" if counts.started == 1 else "were"
        yield Text(f"None of {units.format_count(counts.started, 'test')} that {were} started failed.")
        return
    yield Text(_fault_sentence(counts))
    columns = (
        Column("Fault of"),
        Column("What happened"),
        Column("Tests", "right"),
        Column("Of the tests counted", "right"),
    )
    order = sorted(counts.faults.items(), key=lambda item: (list(Scope).index(item[0][0]), -item[1]))
    rows = [
        (
            Cell(wording.SCOPE_PHRASES[scope], shade=1.0 if scope is Scope.LINE else 0.0),
            Cell(wording.KIND_PHRASES[kind]),
            Cell(f"{count:,}"),
            Cell(_share_text(counts, (scope, kind))),
        )
        for (scope, kind), count in order
    ]
    yield Table("Tests that were started and gave no result", columns, rows)
    yield Text(_FAULT_NOTE, "note")


def _share_text(counts: AttemptCounts, fault: tuple[Scope, FailureKind]) -> str:
    lost = counts.counted_faults[fault]
    return units.format_percent(100 * lost / counts.counted) if lost else "not counted"


def _fault_sentence(counts: AttemptCounts) -> str:
    line = counts.scopes[Scope.LINE]
    others, uncounted = counts.lost - line, counts.broken - counts.lost
    text = (
        f"{counts.lost:,} of {units.format_count(counts.counted, 'test')} that count failed "
        f"({units.format_percent(counts.lost_pct or 0)}): {line:,} because of the line or the ISP, {others:,} for "
        "reasons that are not counted against the line."
    )
    if not uncounted:
        return text
    return f"{text} {uncounted:,} more gave none because of this machine or its configuration: no share counts them."
