"""What was measured: how the numbers spread and stand to the plan, by hour and by weekday. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.report import words
from monitor.report.blocks import Cell, Column, Heading, Table, Text
from monitor.report.shares import LIMITS
from monitor.report.slots import RATES, SHOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from monitor.report.blocks import Block, Picture
    from monitor.report.evidence import Evidence
    from monitor.report.shares import Share
    from monitor.report.slots import Slot

MARK = " *"


def blocks(evidence: Evidence) -> Iterator[Block]:
    """Yield the numbers of the window."""
    yield Heading("What was measured")
    if not evidence.figures.spreads:
        yield Text("No test gave a result that speaks for the line.", "note")
        return
    yield _spreads(evidence)
    if any(found.few for found in evidence.figures.spreads.values()):
        yield Text(
            "* Fewer than 20 results: the 5th and 95th percentile are little more than the lowest and the highest.",
            "note",
        )
    if evidence.figures.short:
        yield _shares(evidence)
    if late := evidence.figures.late:
        yield Text(
            f"Latency was above that of the plan in {late.count:,} of {words.count(late.tests, 'test')} "
            f"({words.percent(late.percent)})."
        )


def _spreads(evidence: Evidence) -> Table:
    columns = ("Results", "5th percentile", "Median", "95th percentile")
    rows = [
        (
            Cell(f"{words.NAMES[name]}{MARK if found.few else ''}"),
            Cell(f"{found.tests:,}"),
            *(Cell(words.value(name, number)) for number in (found.p5, found.median, found.p95)),
        )
        for name, found in evidence.figures.spreads.items()
    ]
    return Table(
        "Results that speak for the line. One in twenty is below the 5th percentile, half below the median, one in "
        "twenty above the 95th percentile",
        (Column("Number"), *(Column(name, "right") for name in columns)),
        rows,
    )


def _shares(evidence: Evidence) -> Table:
    columns = (Column("Number"), Column("Tests", "right"))
    limits = tuple(Column(f"below {limit} %", "right") for limit in LIMITS)
    rows = [
        (Cell(words.NAMES[name]), Cell(f"{found[0].tests:,}"), *map(_share, found))
        for name, found in evidence.figures.short.items()
    ]
    return Table("Tests that stayed below a share of the plan", (*columns, *limits), rows)


def _share(found: Share) -> Cell:
    return Cell(f"{found.count:,} ({words.percent(found.percent)})", shade=found.count / found.tests)


def times(evidence: Evidence, pictures: Iterable[Picture]) -> Iterator[Block]:
    """Yield the numbers by hour of the local day and by weekday, below what pictures there are; nothing of nothing."""
    if not evidence.figures.spreads:
        return
    yield Heading("When the line is slow")
    yield from pictures
    hours = [f"{hour:02}:00 to {hour:02}:59" for hour in range(24)]
    yield _table("By hour of the local day", "Hour", hours, evidence.hours, evidence)
    yield _table("By weekday", "Weekday", words.WEEKDAYS, evidence.weekdays, evidence)


def _table(caption: str, first: str, names: Iterable[str], slots: Iterable[Slot], evidence: Evidence) -> Table:
    medians = (Column(f"{words.NAMES[name]}, median ({words.unit(name)})", "right") for name in SHOWN)
    sold = [name for name in RATES if name in evidence.figures.short]
    short = (Column(f"{words.NAMES[name]} below 90 % of the plan", "right") for name in sold)
    columns = (Column(first), Column("Results", "right"), *medians, *short, Column("Failed tests", "right"))
    rows = [
        (
            Cell(name),
            Cell(f"{slot.tests:,}"),
            *(Cell(words.amount(each, slot.medians.get(each))) for each in SHOWN),
            *(_short(slot, each) for each in sold),
            Cell(f"{slot.failed:,}"),
        )
        for name, slot in zip(names, slots, strict=True)
    ]
    return Table(caption, columns, rows)


def _short(slot: Slot, name: str) -> Cell:
    share = slot.short.get(name)
    return Cell(words.NONE) if share is None else Cell(words.percent(share), shade=share / 100)
