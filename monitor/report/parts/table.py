"""Section: the tests with links to their results; only the notable ones if there are too many. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from monitor.model import HARMLESS, Run, Scope, Status
from monitor.report import words
from monitor.report.blocks import Cell, Column, Heading, Table, Text
from monitor.report.shares import LIMITS
from monitor.report.slots import RATES
from monitor.report.source import called

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray

    from monitor.columns import Columns
    from monitor.model import Plan
    from monitor.report.blocks import Block
    from monitor.report.evidence import Evidence
    from monitor.report.promised import Promised

MOST = 10_000
"""The most rows that a document can have and still be opened."""
COLUMNS = (
    Column("Started"),
    Column("Outcome"),
    Column("Download (Mbit/s)", "right"),
    Column("Upload (Mbit/s)", "right"),
    Column("Latency (ms)", "right"),
    Column("Of the plan, down / up", "right"),
    Column("Server, or why the result does not count"),
    Column("Result"),
)


@dataclass(frozen=True, slots=True)
class _Choice:
    """Which tests are listed, how many there are, and a description of them."""

    picks: Callable[[Run], bool]
    count: int
    description: str


def blocks(evidence: Evidence, runs: Iterable[Run], csv: str, stored: int) -> Iterator[Block]:
    """Yield the section; `csv` is the name of the file with the `stored` tests; `runs` are read while it is written."""
    yield Heading("The tests")
    if not len(evidence.subject.columns):
        yield Text("No test was made in this window.", "note")
        return
    if stored < len(evidence.subject.columns):
        yield Text(
            f"The details of {stored:,} of {len(evidence.subject.columns):,} tests are still stored. The others count "
            "in all numbers, but are in neither the table nor the file.",
            "note",
        )
    chosen = _choice(evidence)
    if chosen.count < len(evidence.subject.columns):
        yield Text(
            f"Of {len(evidence.subject.columns):,} tests, the table lists {chosen.description}. {csv} has all of them.",
            "note",
        )
    rows = (
        row(run, evidence.plans.plan_at(run.started_at), evidence.subject.zone) for run in runs if chosen.picks(run)
    )
    yield Table(f"Tests, oldest first ({chosen.count:,})", COLUMNS, islice(rows, MOST))


def _choice(evidence: Evidence) -> _Choice:
    """Return the first choice that is small enough; else the oldest tests that failed."""
    columns, plans = evidence.subject.columns, evidence.plans
    choices = (
        _Choice(lambda _run: True, len(columns), ""),
        _Choice(
            lambda run: _broken(run) or run.healthy is False or _is_short(run, plans.plan_at(run.started_at)),
            int(np.count_nonzero(_notable(columns, plans))),
            f"those that failed, that are doubtful or that were below {LIMITS[-1]} % of the plan",
        ),
        _Choice(_broken, evidence.figures.counts.broken, "those that failed"),
    )
    fitting = (choice for choice in choices if choice.count <= MOST)
    return next(fitting, _Choice(_broken, MOST, f"the first {MOST:,} that failed"))


def _notable(columns: Columns, plans: Promised) -> NDArray[np.bool_]:
    notable: NDArray[np.bool_] = columns.where(lambda attributes: attributes.broken or attributes.healthy is False)
    for name in RATES:
        notable |= 100 * columns.values(name) < LIMITS[-1] * plans.promised(columns, name)
    return notable


def _broken(run: Run) -> bool:
    return run.status in {Status.FAILED, Status.INTERRUPTED}


def _is_short(run: Run, plan: Plan) -> bool:
    return any(
        measured is not None and sold is not None and 100 * measured < LIMITS[-1] * sold
        for measured, sold in _pairs(run, plan)
    )


def row(run: Run, plan: Plan, zone: ZoneInfo) -> tuple[Cell, ...]:
    """Return the row of a test. One that failed has the numbers that it measured, if any."""
    shares = [100 * rate / sold if rate is not None and sold else None for rate, sold in _pairs(run, plan)]
    shown = " / ".join(words.NONE if share is None else f"{share:.0f} %" for share in shares)
    return (
        Cell(words.short_moment(run.started_at, zone)),
        Cell(_outcome(run), shade=_shade(run, shares)),
        Cell(words.amount("download_bps", run.download_bps)),
        Cell(words.amount("upload_bps", run.upload_bps)),
        Cell(words.amount("latency_ms", run.latency_ms)),
        Cell(words.NONE if shares == [None, None] else shown),
        Cell(_why(run) or (called(run.server) if run.server else words.NONE)),
        _link(run.result_url),
    )


def _shade(run: Run, shares: Sequence[float | None]) -> float:
    """Return how bad a test was, from 0 to 1; other parties' failures and doubtful results hardly count."""
    if run.healthy is False or not (_broken(run) or run.status is Status.OK):
        return 0.0
    if _broken(run):
        return 1.0 if run.failure and run.failure.scope is Scope.LINE else 0.2
    return max(0.0, 1 - min((share for share in shares if share is not None), default=100.0) / 100)


def _pairs(run: Run, plan: Plan) -> list[tuple[int | None, int | None]]:
    return [(getattr(run, name), getattr(plan, name)) for name in RATES]


def _outcome(run: Run) -> str:
    if run.status is Status.OK:
        return "doubtful" if run.healthy is False else "measured"
    return run.status.value


def _why(run: Run) -> str:
    """Return why the result of a test does not count; empty if it does."""
    if run.failure and _broken(run):
        return f"{words.KINDS[run.failure.kind]}; fault of: {words.SCOPES[run.failure.scope]}"
    if run.healthy is False:
        kinds = [remark.kind for remark in run.remarks if remark.kind not in HARMLESS]
        return f"not counted: {', '.join(words.DOUBTS.get(kind, kind.replace('_', ' ')) for kind in kinds)}"
    return run.failure.message if run.failure else ""


def _link(url: str | None) -> Cell:
    is_web = bool(url) and str(url).startswith(("https://", "http://"))
    return Cell("result", link=url) if is_web else Cell(words.NONE)
