"""Outages of the line with times and causes, and whose fault the failed tests were. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from monitor.model import Scope
from monitor.report import words
from monitor.report.blocks import Cell, Column, Facts, Heading, Table, Text
from monitor.report.downtime import out, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from monitor.incidents import Incident
    from monitor.report.blocks import Block
    from monitor.report.evidence import Evidence
    from monitor.report.faults import Tally

_COLUMNS: tuple[Column, ...] = (
    Column("Began"),
    Column("Ended"),
    Column("Length", "right"),
    Column("Cause"),
    Column("Failed tests", "right"),
    Column("What the first failed test reported"),
)
_SEEN_BY = Column("Seen by")
MOST = 1000
"""More outages than a reader goes through: of more the longest are listed."""


def blocks(evidence: Evidence) -> Iterator[Block]:
    """Yield the outages."""
    yield Heading("Outages of the line")
    found, watched = evidence.figures.downtime, evidence.figures.watched
    if not found.watched_s:
        yield Text("The line was not watched in this window, so nothing can be said of outages.", "note")
        return
    yield Facts(tuple(_sums(evidence)))
    inside = [each for each in evidence.subject.incidents if span(each, watched, evidence.subject.window)]
    if not inside:
        yield Text("The tests saw no outage of the line.")
        return
    shown, columns = _listed(inside), _COLUMNS
    rows = [_row(each, evidence) for each in shown]
    if len({(each.probe, each.path) for each in inside}) > 1:
        yield Text("What several probes or paths saw at once is one outage above; the table has it for each.", "note")
        columns = (_SEEN_BY, *_COLUMNS)
        rows = [(Cell(f"{each.probe}, {each.path}"), *row) for each, row in zip(shown, rows, strict=True)]
    if len(shown) < len(inside):
        text = (
            f"Of {len(inside):,} outages the table has the {MOST:,} longest; the data beside this report tells of all."
        )
        yield Text(text, "note")
    yield Table("Outages, from the first test that failed to the next that succeeded", columns, rows)
    yield Text(
        "The tests see an outage only when one of them falls into it: each may have begun up to one interval earlier "
        "and ended up to one interval earlier, and shorter ones between two tests are not seen. Of one that a pause of "
        "the tests interrupts, only the time that was watched counts.",
        "note",
    )


def _listed(incidents: Sequence[Incident]) -> list[Incident]:
    """Return those that the table has, by their beginning; one that lasts is among the longest."""
    longest = sorted(incidents, key=lambda each: math.inf if each.length_s is None else each.length_s, reverse=True)
    return sorted(longest[:MOST], key=lambda each: (each.began, each.probe, each.path))


def _sums(evidence: Evidence) -> Iterator[tuple[str, str]]:
    found = evidence.figures.downtime
    yield "Outages", f"{found.outages:,}" + (f", of which {found.lasting:,} had not ended" if found.lasting else "")
    yield "Time out, in all", words.length(found.out_s)
    yield "Time watched", f"{words.length(found.watched_s)}, without the pauses in which no test ran"
    if found.available_pct is not None:
        yield "Line up", f"{words.percent(found.available_pct)} of the time watched"
    if found.outages:
        yield "Longest outage", words.length(found.longest_s)


def _row(incident: Incident, evidence: Evidence) -> tuple[Cell, ...]:
    zone, watched = evidence.subject.zone, evidence.figures.watched
    inside = span(incident, watched, evidence.subject.window) or (0.0, 0.0)
    lasted = words.length(out(inside, watched))
    return (
        Cell(words.short_moment(incident.began, zone)),
        Cell(words.short_moment(incident.ended, zone) if incident.ended else "not before the last test"),
        Cell(lasted if incident.ended else f"at least {lasted}"),
        Cell(words.KINDS[incident.kind]),
        Cell(f"{incident.failures:,}"),
        Cell(incident.message),
    )


def failures(evidence: Evidence) -> Iterator[Block]:
    """Yield whose fault the failed tests were: what is the line's and what is not."""
    yield Heading("Failed tests: what is the line's fault and what is not")
    found = evidence.figures.tally
    if not found.broken:
        were = "was" if found.started == 1 else "were"
        yield Text(f"None of {words.count(found.started, 'test')} that {were} started failed.")
        return
    yield Text(_whose(found))
    columns = (
        Column("Fault of"),
        Column("What happened"),
        Column("Tests", "right"),
        Column("Of the tests started", "right"),
    )
    order = sorted(found.faults.items(), key=lambda item: (list(Scope).index(item[0][0]), -item[1]))
    rows = [
        (
            Cell(words.SCOPES[scope], shade=1.0 if scope is Scope.LINE else 0.0),
            Cell(words.KINDS[kind]),
            Cell(f"{many:,}"),
            Cell(words.percent(100 * many / found.started)),
        )
        for (scope, kind), many in order
    ]
    yield Table("Tests that were started and gave no result", columns, rows)
    yield Text(
        "Where a test fails, the program usually asks at once who still answers: the router, name servers, two hosts "
        "of others on the internet and the test's own service. That tells the line from the operator of the test and "
        "from this machine. What could not be told is counted as not known, not against the line.",
        "note",
    )


def _whose(found: Tally) -> str:
    line = found.of_scope(Scope.LINE)
    return (
        f"{found.broken:,} of {words.count(found.started, 'test')} that were started gave no result "
        f"({words.percent(100 * found.broken / found.started)}). {line:,} of them because of the line or the ISP; the "
        f"other {found.broken - line:,} are not counted against the line."
    )
