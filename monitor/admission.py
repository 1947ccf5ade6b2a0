"""May a test start now: quiet hours, the month's data, engines that rest. Pure; who may not leaves a skipped row."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from monitor import quiet_hours, retry
from monitor.model import Doubt, Failure, Kind, Remark, Scope, Trigger

if TYPE_CHECKING:
    from monitor.memory import Memory, Rest
    from monitor.outcome import Order
    from monitor.settings import Settings

GB = 10**9


def obstacle(settings: Settings, order: Order, memory: Memory, now: datetime, local: datetime) -> Failure | None:
    """Return why a test is not to start, None when it is. `local` is now in the zone of the schedule."""
    if order.anyway:
        return None
    return _quiet_hours(settings, order, local) or _budget(settings, memory, now) or _rest(order, memory, now)


def silenced(engine: str, rest: Rest) -> Failure:
    """Return the cause of a skipped test whose engine rests."""
    return _skipped("silenced", f"{resting_words(engine, rest)}; another --engine can measure meanwhile")


def stand_in(engine: str, rest: Rest, other: str) -> Remark:
    """Return the remark on a test that another engine measured."""
    return Remark(Doubt.ENGINE_FALLBACK, f"{resting_words(engine, rest)}; {other} took its place")


def resting_words(engine: str, rest: Rest) -> str:
    """Say until when an engine rests and why."""
    until = datetime.fromtimestamp(rest.until, UTC)
    times = "" if rest.times == 1 else f", {rest.times} times in a row"
    return f"engine {engine} rests until {until:%Y-%m-%dT%H:%M:%SZ} ({rest.kind.value}{times})"


def _quiet_hours(settings: Settings, order: Order, local: datetime) -> Failure | None:
    hours = quiet_hours.hours_at(settings.schedule.quiet, local) if order.trigger is Trigger.SCHEDULE else None
    return _skipped("quiet_hours", f"quiet hours {hours} (schedule.quiet)") if hours else None


def _budget(settings: Settings, memory: Memory, now: datetime) -> Failure | None:
    limit, spent = settings.budget.month_gb, memory.spent
    if not limit or spent is None or now.timestamp() >= spent.until or spent.bytes < limit * GB:
        return None
    words = f"the tests of this month have used {spent.bytes / GB:.2f} of {limit:g} GB (budget.month_gb)"
    return _skipped("budget", f"{words}; `speedmon usage` shows it")


def _rest(order: Order, memory: Memory, now: datetime) -> Failure | None:
    """Return the rest of a named engine; a series that has begun knows what it does."""
    if order.attempt > 1:
        return None
    rest = retry.resting(memory.rests, int(now.timestamp())).get(order.engine)
    return silenced(order.engine, rest) if rest else None


def _skipped(stage: str, message: str) -> Failure:
    return Failure(Kind.UNKNOWN, Scope.LOCAL, stage, message)
