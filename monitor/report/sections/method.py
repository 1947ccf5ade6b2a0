"""Sections: method, limits and what was left out; the data behind the report. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.model import Status
from monitor.report import wording
from monitor.report.document import Cell, Column, Facts, Heading, Table, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.report.document import Block
    from monitor.report.evidence import Evidence


METHOD_TEXT = """\
Each test was run by the measuring program named above, as often as stated above, and stored at once, whatever its
outcome. Rates are as the measuring program reported them, in megabits per second (1 Mbit/s = 1,000,000 bit/s); latency
is the round-trip time of a small packet, in milliseconds.

Percentiles and medians are interpolated between the two nearest results (definition 7 of Hyndman and Fan, 1996, as in
common spreadsheets). Each test is compared with the plan in force when it ran; one that reached exactly 90 % of it is
not below 90 %. Hours and weekdays are local; an hour that is repeated when clocks are set back counts under its name.

A failed test counts neither as 0 nor as an estimate: no median and no percentage includes it. Pauses without tests
count as neither up nor down.

An outage lasts from the start of the first test that failed because of the line to the start of the next test that
succeeded. The line is watched from test to test, except for pauses more than 2.5 times as long as the usual interval
around them.
"""

LIMITS_TEXT = """\
At each place named above, the tests were made by one machine behind one router. They show what reached that machine:
cable, router and machine are part of the result. Whether a fault is inside the home or beyond it can be shown by tests
at the ISP's end of the line.

A speed test measures the route to one server at one time. A slow server, or a slow network between the ISP and the
server, looks like a slow line; that is why the servers are named above.

Other traffic during a test takes up part of the line. The program counts the traffic on the measuring machine's own
uplink and marks such results as doubtful; it cannot see the traffic of other machines in the home.

Nothing is known about the time between two tests. Anything shorter than their interval can be missed.
"""


_COUNT_COLUMN = Column("Tests", "right")

_ATTEMPT_COLUMNS = (Column("Outcome"), _COUNT_COLUMN, Column("In the numbers above"))


def method_blocks(evidence: Evidence) -> Iterator[Block]:
    """Yield the section on the method."""
    yield Heading("Method, limits, and what was left out")
    yield Heading("How it was measured and counted", level=2)
    yield from map(Text, wording.split_paragraphs(METHOD_TEXT))
    yield Heading("What this cannot show", level=2)
    yield from map(Text, wording.split_paragraphs(LIMITS_TEXT))
    yield Heading("What was left out of the numbers", level=2)
    yield Table("Every attempt in the window, and whether it counts", _ATTEMPT_COLUMNS, list(_attempt_rows(evidence)))
    if doubts := evidence.figures.counts.doubts:
        rows = [(Cell(wording.doubt_phrase(kind)), Cell(f"{count:,}")) for kind, count in doubts.most_common()]
        yield Table(
            "Why results are doubtful; a result may have several reasons", (Column("Reason"), _COUNT_COLUMN), rows
        )


def _attempt_rows(evidence: Evidence) -> Iterator[tuple[Cell, ...]]:
    counts = evidence.figures.counts
    rows = (
        ("measured", counts.trusted, "yes"),
        ("measured, but doubtful", counts.doubtful, "no; the table of tests shows why"),
        (
            "failed",
            counts.statuses[Status.FAILED],
            "among the failed tests and, if the line's fault, the outages; in no share if this machine is at fault",
        ),
        ("interrupted", counts.statuses[Status.INTERRUPTED], "only in the list of tests without a result"),
        ("skipped", counts.statuses[Status.SKIPPED], "no; it was due but not started"),
        ("all", counts.attempts, ""),
    )
    return (tuple(map(Cell, (name, f"{count:,}", counted))) for name, count, counted in rows)


def data_blocks(name: str, sha256: str, rows: int) -> Iterator[Block]:
    """Yield the section on the data file, with its hash."""
    yield Heading("The data")
    yield Facts((("File", name), ("Tests in it", f"{rows:,}"), ("SHA-256", sha256)))
    yield Text(
        "Every number of this window can be recomputed from this file and the plan above. To check that a file is the "
        f"one from which this report was made, run sha256sum {name}: it must print the same sum.",
        "note",
    )
