"""How it was measured and counted, what that cannot show, what was left out, and the data behind it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.model import Status
from monitor.report import words
from monitor.report.blocks import Cell, Column, Facts, Heading, Table, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.report.blocks import Block
    from monitor.report.evidence import Evidence

HOW = """\
Each test was made by the program named above, as often as named above, and stored at once, whatever came of it.
Rates are those that the measuring program reported, in megabits per second (1 Mbit/s = 1,000,000 bit/s); latency is
the time of one small packet there and back, in milliseconds.

Percentiles and medians are interpolated between the two nearest results (definition 7 of Hyndman and Fan, 1996, as in
common spreadsheets). A test is judged by the plan that was in force when it ran; one that reached exactly 90 % of it
is not below 90 %. Hours and weekdays are those of local clocks; an hour that a change of the clocks repeats counts
under its name.

No number stands for a failed test: it is neither 0 nor guessed, and no median or share counts it. Pauses without
tests are neither up nor down: nothing is said of them.

An outage lasts from the start of the first test that failed because of the line to the start of the next that
succeeded. The line is watched from test to test, except where a pause is more than 2.5 times as long as usual around
it.
"""
LIMITS = """\
At each place named above the tests were made from one machine behind one router. They show what reached that machine:
cable, router and machine are part of it, and whether a fault is in the home or beyond can be told by tests at the ISP's
end of the line.

A speed test measures the way to one server at one time. A slow server, or a slow network between the ISP and the
server, looks like a slow line; that is why the servers are named above.

Other traffic on the line while a test runs takes part of it away. The program counts what passes the measuring
machine's own uplink and marks such results as doubtful; traffic of other machines in the home it cannot see.

Between two tests nothing is known. What is shorter than their interval can be missed.
"""


def blocks(evidence: Evidence) -> Iterator[Block]:
    """Yield the method, its limits and what was left out."""
    yield Heading("Method, limits, and what was left out")
    yield Heading("How it was measured and counted", level=2)
    yield from map(Text, words.paragraphs(HOW))
    yield Heading("What this cannot show", level=2)
    yield from map(Text, words.paragraphs(LIMITS))
    yield Heading("What was left out of the numbers", level=2)
    yield Table("Every attempt of the window, and whether it is counted", _COLUMNS, list(_attempts(evidence)))
    if doubts := evidence.figures.tally.doubts:
        rows = [(Cell(_doubt(kind)), Cell(f"{many:,}")) for kind, many in doubts.most_common()]
        yield Table("Why results are doubtful; one may have several reasons", (Column("Reason"), _MANY), rows)


_MANY = Column("Tests", "right")
_COLUMNS = (Column("What came of it"), _MANY, Column("In the numbers above"))


def _attempts(evidence: Evidence) -> Iterator[tuple[Cell, ...]]:
    found = evidence.figures.tally
    rows = (
        ("measured", found.trusted, "yes"),
        ("measured, but doubtful", found.doubtful, "no: it does not speak for the line; the table of tests shows it"),
        ("failed", found.statuses[Status.FAILED], "only among the failed tests and, if the line's fault, the outages"),
        ("interrupted", found.statuses[Status.INTERRUPTED], "only among the failed tests"),
        ("skipped", found.statuses[Status.SKIPPED], "no: it was due and not started"),
        ("all", found.attempts, ""),
    )
    return (tuple(map(Cell, (name, f"{many:,}", counted))) for name, many, counted in rows)


def _doubt(kind: str) -> str:
    return words.DOUBTS.get(kind, kind.replace("_", " "))


def data(name: str, sha256: str, rows: int) -> Iterator[Block]:
    """Yield what ties the report to the data that it was made from."""
    yield Heading("The data")
    yield Facts((("File", name), ("Tests in it", f"{rows:,}"), ("SHA-256", sha256)))
    yield Text(
        "Every number of this window can be counted again from this file and the plan above. To see that a file is the "
        f"one that this report was made from: sha256sum {name} prints the same sum.",
        "note",
    )
