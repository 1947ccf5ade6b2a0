"""Sections: the speeds measured, compared with the plan; speeds by hour and weekday; the table of tests. Pure.

If there are too many tests for the table, only notable ones are listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from monitor.analysis.metrics import RATE_METRICS, SPEED_METRICS
from monitor.model import HARMLESS_DOUBTS, Run, Scope, Status, describe_server
from monitor.output import units
from monitor.report import wording
from monitor.report.document import Cell, Column, Heading, Table, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray

    from monitor.analysis.calendar import CalendarBin
    from monitor.analysis.columns import Columns
    from monitor.analysis.plan import PlanHistory, PlanMisses
    from monitor.model import Plan
    from monitor.report.document import Block, Picture
    from monitor.report.evidence import Evidence


# The most rows that a document can have and still be opened.
MAX_TABLE_ROWS = 10_000

RESULTS_COLUMNS = (
    Column("Started"),
    Column("Outcome"),
    Column("Download (Mbit/s)", "right"),
    Column("Upload (Mbit/s)", "right"),
    Column("Latency (ms)", "right"),
    Column("Of the plan, down / up", "right"),
    Column("Server, or why the result does not count"),
    Column("Result"),
)

FEW_RESULTS_MARK = " *"


def speed_blocks(evidence: Evidence) -> Iterator[Block]:
    """Yield the section on what was measured."""
    yield Heading("What was measured")
    if not evidence.figures.spreads:
        yield Text("No test gave a valid result.", "note")
        return
    yield _spread_table(evidence)
    if any(spread.few for spread in evidence.figures.spreads.values()):
        yield Text(
            "* Fewer than 20 results: the 5th and 95th percentiles are hardly more than the lowest and highest one.",
            "note",
        )
    if evidence.figures.below_plan:
        yield _share_table(evidence)
    if late := evidence.figures.above_plan:
        yield Text(
            f"Latency was higher than the plan's in {late.count:,} of {units.format_count(late.tests, 'test')} "
            f"({units.format_percent(late.percent)})."
        )


def _spread_table(evidence: Evidence) -> Table:
    columns = ("Results", "5th percentile", "Median", "95th percentile")
    rows = [
        (
            Cell(f"{wording.METRIC_NAMES[name]}{FEW_RESULTS_MARK if spread.few else ''}"),
            Cell(f"{spread.tests:,}"),
            *(Cell(units.format_metric(name, number)) for number in (spread.p5, spread.median, spread.p95)),
        )
        for name, spread in evidence.figures.spreads.items()
    ]
    return Table(
        "Valid results. One in twenty is below the 5th percentile, half are below the median, one in twenty is above "
        "the 95th percentile",
        (Column("Metric"), *(Column(name, "right") for name in columns)),
        rows,
    )


def _share_table(evidence: Evidence) -> Table:
    columns = (Column("Metric"), Column("Tests", "right"))
    shares = next(iter(evidence.figures.below_plan.values()))
    limits = tuple(Column(f"below {units.format_trimmed(miss.limit)} %", "right") for miss in shares)
    rows = [
        (Cell(wording.METRIC_NAMES[name]), Cell(f"{misses[0].tests:,}"), *map(_share_cell, misses))
        for name, misses in evidence.figures.below_plan.items()
    ]
    return Table("Tests below a share of the plan", (*columns, *limits), rows)


def _share_cell(misses: PlanMisses) -> Cell:
    return Cell(f"{misses.count:,} ({units.format_percent(misses.percent)})", shade=misses.count / misses.tests)


def time_of_day_blocks(evidence: Evidence, pictures: Iterable[Picture]) -> Iterator[Block]:
    """Yield the section on hours and weekdays, with its pictures first; nothing without valid results."""
    if not evidence.figures.spreads:
        return
    yield Heading("When the line is slow")
    yield from pictures
    hours = [f"{hour:02}:00 to {hour:02}:59" for hour in range(24)]
    yield _calendar_table("By hour of the local day", "Hour", hours, evidence.hours, evidence)
    yield _calendar_table("By weekday", "Weekday", units.WEEKDAY_NAMES, evidence.weekdays, evidence)


def _calendar_table(
    caption: str, first: str, names: Iterable[str], bins: Iterable[CalendarBin], evidence: Evidence
) -> Table:
    medians = (
        Column(f"{wording.METRIC_NAMES[name]}, median ({units.metric_unit(name)})", "right") for name in SPEED_METRICS
    )
    compared = [name for name in RATE_METRICS if name in evidence.figures.below_plan]
    met_pct = units.format_trimmed(evidence.subject.met_pct)
    short = (Column(f"{wording.METRIC_NAMES[name]} below {met_pct} % of the plan", "right") for name in compared)
    columns = (Column(first), Column("Results", "right"), *medians, *short, Column("Failed tests", "right"))
    rows = [
        (
            Cell(name),
            Cell(f"{one.tests:,}"),
            *(Cell(units.format_metric_number(metric, one.medians.get(metric))) for metric in SPEED_METRICS),
            *(_below_plan_cell(one, rate) for rate in compared),
            Cell(f"{one.failed:,}"),
        )
        for name, one in zip(names, bins, strict=True)
    ]
    return Table(caption, columns, rows)


def _below_plan_cell(one: CalendarBin, name: str) -> Cell:
    share = one.below_plan.get(name)
    return Cell(units.NO_VALUE) if share is None else Cell(units.format_percent(share), shade=share / 100)


@dataclass(frozen=True, slots=True)
class _TestFilter:
    """Which tests are listed, how many there are, and a description of them."""

    picks: Callable[[Run], bool]
    count: int
    description: str


def results_table_blocks(evidence: Evidence, runs: Iterable[Run], csv: str, stored: int) -> Iterator[Block]:
    """Yield the section; `csv` is the name of the file with the `stored` tests; `runs` are read while it is written."""
    yield Heading("The tests")
    plans, zone, total = evidence.plans, evidence.subject.zone, len(evidence.subject.columns)
    if not total:
        yield Text("No test was made in this window.", "note")
        return
    if stored < total:
        yield Text(
            f"The details of {stored:,} of {total:,} tests are still stored. The others count in all numbers, but are "
            "in neither the table nor the file.",
            "note",
        )
    chosen = _choose_filter(evidence)
    if chosen.count < total:
        yield Text(f"Of {total:,} tests, the table lists {chosen.description}. {csv} has all of them.", "note")
    rows = (run_row(run, plans.plan_at(run.started_at), zone) for run in runs if chosen.picks(run))
    yield Table(f"Tests, oldest first ({chosen.count:,})", RESULTS_COLUMNS, islice(rows, MAX_TABLE_ROWS))


def _choose_filter(evidence: Evidence) -> _TestFilter:
    """Return the first choice that is small enough; else the oldest tests that failed."""
    columns, plans, met_pct = evidence.subject.columns, evidence.plans, evidence.subject.met_pct
    choices = (
        _TestFilter(lambda _run: True, len(columns), ""),
        _TestFilter(
            lambda run: (
                _is_broken(run) or _is_uncounted(run) or _is_below_plan(run, plans.plan_at(run.started_at), met_pct)
            ),
            int(np.count_nonzero(_is_notable(columns, plans, met_pct))),
            f"those that failed, that are doubtful or that were below {units.format_trimmed(met_pct)} % of the plan",
        ),
        _TestFilter(_is_broken, evidence.figures.counts.broken, "those that failed"),
    )
    fitting = (choice for choice in choices if choice.count <= MAX_TABLE_ROWS)
    return next(fitting, _TestFilter(_is_broken, MAX_TABLE_ROWS, f"the first {MAX_TABLE_ROWS:,} that failed"))


def _is_notable(columns: Columns, plans: PlanHistory, met_pct: float) -> NDArray[np.bool_]:
    notable: NDArray[np.bool_] = columns.where(
        lambda attributes: attributes.broken or attributes.excluded or attributes.healthy is False
    )
    for name in RATE_METRICS:
        notable |= 100 * columns.values(name) < met_pct * plans.promised(columns, name)
    return notable


def _is_broken(run: Run) -> bool:
    return run.status in {Status.FAILED, Status.INTERRUPTED} and run.excluded is None


def _is_uncounted(run: Run) -> bool:
    return run.excluded is not None or run.healthy is False


def _is_below_plan(run: Run, plan: Plan, met_pct: float) -> bool:
    return any(
        measured is not None and promised is not None and 100 * measured < met_pct * promised
        for measured, promised in _measured_and_promised(run, plan)
    )


def run_row(run: Run, plan: Plan, zone: ZoneInfo) -> tuple[Cell, ...]:
    """Return the row of a test. One that failed has the numbers that it measured, if any."""
    rates = _measured_and_promised(run, plan)
    shares = [100 * rate / promised if rate is not None and promised else None for rate, promised in rates]
    shown = " / ".join(units.NO_VALUE if share is None else f"{share:.0f} %" for share in shares)
    return (
        Cell(units.format_table_time_with_offset(run.started_at, zone)),
        Cell(_outcome_text(run), shade=_outcome_shade(run, shares)),
        *(Cell(units.format_metric_number(metric, getattr(run, metric))) for metric in SPEED_METRICS),
        Cell(units.NO_VALUE if shares == [None, None] else shown),
        Cell(_reason_text(run) or describe_server(run.server) or units.NO_VALUE),
        _link_cell(run.result_url),
    )


def _outcome_shade(run: Run, shares: Sequence[float | None]) -> float:
    """Return how bad a test was, from 0 to 1; other parties' failures and doubtful results hardly count."""
    if _is_uncounted(run) or not (_is_broken(run) or run.status is Status.OK):
        return 0.0
    if _is_broken(run):
        return 1.0 if run.failure and run.failure.scope is Scope.LINE else 0.2
    return max(0.0, 1 - min((share for share in shares if share is not None), default=100.0) / 100)


def _measured_and_promised(run: Run, plan: Plan) -> list[tuple[int | None, int | None]]:
    return [(getattr(run, name), getattr(plan, name)) for name in RATE_METRICS]


def _outcome_text(run: Run) -> str:
    if run.excluded is not None:
        return "excluded"
    if run.status is Status.OK:
        return "doubtful" if run.healthy is False else "measured"
    return run.status.value


def _reason_text(run: Run) -> str:
    """Return why the result of a test does not count; empty if it does."""
    if run.excluded is not None:
        return f"not counted: {run.excluded}"
    if run.failure and _is_broken(run):
        return f"{wording.KIND_PHRASES[run.failure.kind]}; fault of: {wording.SCOPE_PHRASES[run.failure.scope]}"
    if run.healthy is False:
        kinds = [remark.kind for remark in run.remarks if remark.kind not in HARMLESS_DOUBTS]
        return f"not counted: {', '.join(map(wording.doubt_phrase, kinds))}"
    return run.failure.message if run.failure else ""


def _link_cell(url: str | None) -> Cell:
    cell = Cell("result", link=url)
    return cell if cell.href else Cell(units.NO_VALUE)
