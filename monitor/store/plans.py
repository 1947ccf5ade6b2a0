"""Plans with dates, stored with the runs that were recorded or imported before the plans were configured.

What a run is compared with is stored with the run. A period of a plan wins over what is stored; before the first period
nothing is changed, and neither are days whose runs were pruned.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import func, or_, select, update

from monitor.store.connection import open_reader, open_writer
from monitor.store.lookups import find_probe_pk
from monitor.store.packed_days import ATTRIBUTE_COLUMNS, DAY_S, repack_days
from monitor.store.tables import PLAN_COLUMNS, packed_days, runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection

    from monitor.model import NetworkPath, Plan


_FIRST_PLAN = ATTRIBUTE_COLUMNS.index(PLAN_COLUMNS[0])

_PLACE_OF_PLAN = slice(_FIRST_PLAN, _FIRST_PLAN + len(PLAN_COLUMNS))

# Packed columns hold the start of a run in 32 bits, which last until 2106.
_FOREVER = 2**32


@dataclass(frozen=True, slots=True)
class PlanPeriod:
    """A plan and the time in which it is in force: [since, until) in epoch seconds."""

    since: int
    until: int
    plan: Plan

    @property
    def values(self) -> tuple[float | None, ...]:
        """The columns of the plan."""
        return (self.plan.download_bps, self.plan.upload_bps, self.plan.latency_ms)


def to_periods(plans: Sequence[tuple[int, Plan]]) -> list[PlanPeriod]:
    """Return the periods of plans, each with the moment from which it is in force, the oldest first."""
    ends = [since for since, _ in plans[1:]]
    return [PlanPeriod(since, until, plan) for (since, plan), until in zip(plans, [*ends, _FOREVER], strict=True)]


def apply_plans(url: str, probe: str, periods: Sequence[PlanPeriod]) -> int:
    """Store with the runs of a probe the plans that were in force when they started; return how many were changed.

    Nothing is written if each run has its plan, which is found out from the packed days.

    Raises:
        StoreError: the store cannot be read or, if a run has another plan, not written.
    """
    with open_reader(url) as connection:
        probe_pk = find_probe_pk(connection, probe)
        stale = [] if probe_pk is None else _stale_days(connection, probe_pk, periods)
    if probe_pk is None or not stale:
        return 0
    with open_writer(url) as connection:
        return sum(_update_days(connection, probe_pk, periods, days) for days in _consecutive(stale))


def _stale_days(connection: Connection, probe_pk: int, periods: Sequence[PlanPeriod]) -> list[int]:
    """Return the days with runs that are stored with another plan than that of their time, oldest first."""
    stale: set[int] = set()
    packed: set[tuple[int, NetworkPath]] = set()
    columns = (packed_days.c[name] for name in ("day", "path", "sorts", "frozen"))
    query = select(*columns).where(packed_days.c.probe_pk == probe_pk)
    for day, path, sorts, is_frozen in connection.execute(query):
        period = _period_of_day(periods, day)
        if is_frozen or period is not None:
            packed.add((day, path))
        if not is_frozen and period is not None and _has_other_plan(sorts, period):
            stale.add(day)
    return sorted(stale | set(_stale_unpacked_days(connection, probe_pk, periods, packed)))


def _period_of_day(periods: Sequence[PlanPeriod], day: int) -> PlanPeriod | None:
    """Return the period that a whole day is in; None if a plan begins on that day, or none is in force."""
    return next((period for period in periods if period.since <= day and day + DAY_S <= period.until), None)


def _has_other_plan(sorts: str, period: PlanPeriod) -> bool:
    return any(tuple(attributes[_PLACE_OF_PLAN]) != period.values for attributes in msgspec.json.decode(sorts))


def _stale_unpacked_days(
    connection: Connection, probe_pk: int, periods: Sequence[PlanPeriod], packed: set[tuple[int, NetworkPath]]
) -> Iterator[int]:
    """Yield the days that are not packed, or on which a plan begins, with a run that has another plan."""
    of_probe = runs.c.probe_pk == probe_pk
    newest = connection.execute(select(runs.c.path, func.max(runs.c.started_at)).where(of_probe).group_by(runs.c.path))
    days = {(at - at % DAY_S, path) for path, at in newest}
    days |= {(period.since - period.since % DAY_S, path) for period in periods for path in {path for _, path in days}}
    for day, path in days - packed:
        of_day = (of_probe, runs.c.path == path, runs.c.started_at >= day, runs.c.started_at < day + DAY_S)
        other = or_(*(_differs(period) for period in periods))
        if connection.scalar(select(runs.c.pk).where(*of_day, other).limit(1)) is not None:
            yield day


def _differs(period: PlanPeriod) -> ColumnElement[bool]:
    """Return the condition that a run of a period has another plan."""
    columns = zip(PLAN_COLUMNS, period.values, strict=True)
    other = or_(*(runs.c[name].is_distinct_from(value) for name, value in columns))
    return (runs.c.started_at >= period.since) & (runs.c.started_at < period.until) & other


def _update_days(connection: Connection, probe_pk: int, periods: Sequence[PlanPeriod], days: tuple[int, int]) -> int:
    """Store the plans with the runs of consecutive days, and pack these days again."""
    first, last = days
    of_days = (runs.c.probe_pk == probe_pk, runs.c.started_at >= first, runs.c.started_at < last + DAY_S)
    changed = 0
    for period in periods:
        values: dict[str, Any] = dict(zip(PLAN_COLUMNS, period.values, strict=True))
        changed += connection.execute(update(runs).where(*of_days, _differs(period)).values(values)).rowcount
    for path in connection.scalars(select(runs.c.path).where(*of_days).distinct()).all():
        of_path = select(func.min(runs.c.started_at), func.max(runs.c.started_at)).where(*of_days, runs.c.path == path)
        repack_days(connection, probe_pk, path, *connection.execute(of_path).one())
    return changed


def _consecutive(days: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of each series of consecutive days."""
    for _, group in groupby(enumerate(days), key=lambda numbered: numbered[1] - DAY_S * numbered[0]):
        series = [day for _, day in group]
        yield series[0], series[-1]
