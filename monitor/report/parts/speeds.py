"""Sections: the speeds measured and how they compare with the plan; speeds by hour and weekday. Pure."""

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
    """Yield the section on what was measured."""
    yield Heading("What was measured")
    if not evidence.figures.spreads:
        yield Text("No test gave a valid result.", "note")
        return
    yield _spreads(evidence)
    if any(spread.few for spread in evidence.figures.spreads.values()):
        yield Text(
            "* Fewer than 20 results: the 5th and 95th percentiles are hardly more than the lowest and highest one.",
            "note",
        )
    if evidence.figures.below_plan:
        yield _shares(evidence)
    if late := evidence.figures.above_plan:
        yield Text(
            f"Latency was higher than the plan's in {late.count:,} of {words.count(late.tests, 'test')} "
            f"({words.percent(late.percent)})."
        )


def _spreads(evidence: Evidence) -> Table:
    columns = ("Results", "5th percentile", "Median", "95th percentile")
    rows = [
        (
            Cell(f"{words.NAMES[name]}{MARK if spread.few else ''}"),
            Cell(f"{spread.tests:,}"),
            *(Cell(words.value(name, number)) for number in (spread.p5, spread.median, spread.p95)),
        )
        for name, spread in evidence.figures.spreads.items()
    ]
    return Table(
        "Valid results. One in twenty is below the 5th percentile, half are below the median, one in twenty is above "
        "the 95th percentile",
        (Column("Metric"), *(Column(name, "right") for name in columns)),
        rows,
    )


def _shares(evidence: Evidence) -> Table:
    columns = (Column("Metric"), Column("Tests", "right"))
    limits = tuple(Column(f"below {limit} %", "right") for limit in LIMITS)
    rows = [
        (Cell(words.NAMES[name]), Cell(f"{misses[0].tests:,}"), *map(_share, misses))
        for name, misses in evidence.figures.below_plan.items()
    ]
    return Table("Tests below a share of the plan", (*columns, *limits), rows)


def _share(misses: Share) -> Cell:
    return Cell(f"{misses.count:,} ({words.percent(misses.percent)})", shade=misses.count / misses.tests)


def times(evidence: Evidence, pictures: Iterable[Picture]) -> Iterator[Block]:
    """Yield the section on hours and weekdays, with its pictures first; nothing without valid results."""
    if not evidence.figures.spreads:
        return
    yield Heading("When the line is slow")
    yield from pictures
    hours = [f"{hour:02}:00 to {hour:02}:59" for hour in range(24)]
    yield _table("By hour of the local day", "Hour", hours, evidence.hours, evidence)
    yield _table("By weekday", "Weekday", words.WEEKDAYS, evidence.weekdays, evidence)


def _table(caption: str, first: str, names: Iterable[str], slots: Iterable[Slot], evidence: Evidence) -> Table:
    medians = (Column(f"{words.NAMES[name]}, median ({words.unit(name)})", "right") for name in SHOWN)
    sold = [name for name in RATES if name in evidence.figures.below_plan]
    short = (Column(f"{words.NAMES[name]} below 90 % of the plan", "right") for name in sold)
    columns = (Column(first), Column("Results", "right"), *medians, *short, Column("Failed tests", "right"))
    rows = [
        (
            Cell(name),
            Cell(f"{slot.tests:,}"),
            *(Cell(words.amount(metric, slot.medians.get(metric))) for metric in SHOWN),
            *(_short(slot, rate) for rate in sold),
            Cell(f"{slot.failed:,}"),
        )
        for name, slot in zip(names, slots, strict=True)
    ]
    return Table(caption, columns, rows)


def _short(slot: Slot, name: str) -> Cell:
    share = slot.below_plan.get(name)
    return Cell(words.NONE) if share is None else Cell(words.percent(share), shade=share / 100)
