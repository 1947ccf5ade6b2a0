"""The condition of the line at the head of the page, from its last runs, the plan and what is normal of late. Pure.

What the last tests could not tell is not taken for good: the line is `good` only after a fresh result that is not slow.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import dropwhile, pairwise, takewhile
from statistics import median
from typing import TYPE_CHECKING

from monitor.analysis.outages import LineState, run_state
from monitor.model import ExpectedRates, Plan, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from monitor.model import Run


class LineCondition(StrEnum):
    """What can be said of the line now."""

    GOOD = "good"
    SLOW = "slow"
    FAILING = "failing"
    STALE = "stale"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class StateLimits:
    """When a line is failing, slow or stale.

    `failing` and `slow` are numbers of tests, of so many of the last ones. Slow is below `below_pct` percent of the
    plan, else of what is normal. Stale is no attempt for `stale_after`, or for `stale_gaps` times the usual gap between
    attempts if that is longer.
    """

    failing: tuple[int, int] = (2, 3)
    slow: tuple[int, int] = (3, 4)
    below_pct: float = 50
    stale_after: timedelta = timedelta(hours=6)
    stale_gaps: float = 2.5


DEFAULT_LIMITS = StateLimits()

NOT_KNOWN = ExpectedRates()

# As many results as `recent_medians` of the store takes; with fewer, one bad evening would be normal.
MAX_NORMAL_RESULTS = 50
MIN_NORMAL_RESULTS = 5

# Attempts from which the usual gap is taken.
GAP_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class LineReport:
    """The state of a line; None where nothing is known.

    `since` is the start of the first run from which on all were like that; `is_older`: even the oldest run at hand was.
    `normal` are the medians of the last results, `result` is the last one that can be trusted.
    """

    state: LineCondition
    since: datetime | None = None
    is_older: bool = False
    normal: ExpectedRates = NOT_KNOWN
    result: Run | None = None


def judge_line(
    newest_first: Sequence[Run], plan: Plan, now: datetime, limits: StateLimits = DEFAULT_LIMITS
) -> LineReport:
    """Return the state of the line of these runs: those of one probe over one path, newest first."""
    attempts = [run for run in newest_first if run.status in {Status.OK, Status.FAILED}]
    results = [run for run in attempts if is_result(run)]
    normal, result = normal_rates(results), next(iter(results), None)
    age_limit = stale_after(attempts, limits)
    # A failure that proves that the line works, such as an HTTP 503, tells that it is up, but not how fast.
    telling = [run for run in attempts if is_result(run) or run_state(run) is not LineState.SILENT]
    newest_news = next((run for run in attempts if is_result(run) or is_line_failure(run)), None)

    def report(state: LineCondition, since: datetime | None = None, is_older: bool = False) -> LineReport:
        return LineReport(state, since, is_older, normal, result)

    def is_slow(run: Run) -> bool:
        return is_result(run) and is_below(run, plan, normal, limits.below_pct)

    if newest_news is None:
        return report(LineCondition.UNKNOWN, *_streak(attempts, _is_blinding))
    if now - attempts[0].started_at > age_limit:
        return report(LineCondition.STALE, attempts[0].started_at)
    if _is_blinding(attempts[0]):
        return report(LineCondition.UNKNOWN, *_streak(attempts, _is_blinding))
    if now - newest_news.started_at > age_limit:
        return report(LineCondition.STALE, newest_news.started_at)
    if _is_due(telling, is_line_failure, limits.failing):
        return report(LineCondition.FAILING, *_streak(telling, is_line_failure))
    if _is_due(results, is_slow, limits.slow):
        return report(LineCondition.SLOW, *_streak(results, is_slow))
    if result is None:
        return report(LineCondition.UNKNOWN)
    return report(LineCondition.GOOD, *_streak(telling, lambda run: not is_line_failure(run) and not is_slow(run)))


def is_result(run: Run) -> bool:
    """Return whether a run measured the line, and can be trusted."""
    return run.status is Status.OK and run.healthy is not False


def is_line_failure(run: Run) -> bool:
    """Return whether a run failed by the line."""
    return run_state(run) is LineState.DOWN


def stale_after(attempts: Sequence[Run], limits: StateLimits) -> timedelta:
    """Return the age at which the newest attempt is stale: longer where tests are rare."""
    starts = [run.started_at.timestamp() for run in attempts[:GAP_ATTEMPTS]]
    gaps = [later - earlier for later, earlier in pairwise(starts)]
    return max(limits.stale_after, timedelta(seconds=limits.stale_gaps * median(gaps))) if gaps else limits.stale_after


def normal_rates(results: Sequence[Run]) -> ExpectedRates:
    """Return the medians of the last results, newest first; None with too few."""
    last = results[:MAX_NORMAL_RESULTS]
    return ExpectedRates(_median_rate(run.download_bps for run in last), _median_rate(run.upload_bps for run in last))


def _median_rate(rates: Iterable[int | None]) -> int | None:
    known = [rate for rate in rates if rate is not None]
    return round(median(known)) if len(known) >= MIN_NORMAL_RESULTS else None


def is_below(run: Run, plan: Plan, normal: ExpectedRates, below_pct: float) -> bool:
    """Return whether a rate of a result is below that percentage of the plan, else of what is normal."""
    expected = (
        (run.download_bps, plan.download_bps or normal.download_bps),
        (run.upload_bps, plan.upload_bps or normal.upload_bps),
    )
    return any(rate is not None and least and rate < least * below_pct / 100 for rate, least in expected)


def _is_due(runs: Sequence[Run], is_bad: Callable[[Run], bool], rule: tuple[int, int]) -> bool:
    """Return whether the newest run is bad, or so many of the last ones are."""
    least, of = rule
    return bool(runs) and (is_bad(runs[0]) or sum(map(is_bad, runs[:of])) >= least)


def _is_blinding(run: Run) -> bool:
    """Return whether a failure keeps the tests from saying anything of the line."""
    return run_state(run) is LineState.SILENT


def _streak(runs: Sequence[Run], is_one: Callable[[Run], bool]) -> tuple[datetime | None, bool]:
    """Return when the newest runs in a row that are of a kind began, and whether there may be older ones."""
    from_newest = [*dropwhile(lambda run: not is_one(run), runs)]
    streak = [*takewhile(is_one, from_newest)]
    return (streak[-1].started_at, 1 < len(streak) == len(from_newest)) if streak else (None, False)
