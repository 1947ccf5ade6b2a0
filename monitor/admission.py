"""Whether a test may start now: quiet hours, the data budget of the month, engines in back-off. Pure.

A test that may not start becomes a skipped row with the reason.
"""

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


def obstacle(settings: Settings, request: Order, memory: Memory, now: datetime, local_time: datetime) -> Failure | None:
    """Return why a test must not start, None when it may; `local_time` is now in the time zone of the schedule."""
    if request.anyway:
        return None
    return _quiet_hours(settings, request, local_time) or _budget(settings, memory, now) or _rest(request, memory, now)


def silenced(engine: str, backoff: Rest) -> Failure:
    """Return the reason of a skipped test whose engine is in back-off."""
    return _skipped("silenced", f"{resting_words(engine, backoff)}; another one can be named with --engine")


def stand_in(engine: str, backoff: Rest, other: str) -> Remark:
    """Return the remark on a test that another engine measured."""
    return Remark(Doubt.ENGINE_FALLBACK, f"{resting_words(engine, backoff)}; {other} took its place")


def resting_words(engine: str, backoff: Rest) -> str:
    """Return in words until when an engine is in back-off, and why."""
    until = datetime.fromtimestamp(backoff.until, UTC)
    times = "" if backoff.times == 1 else f", {backoff.times} times in a row"
    return f"engine {engine} is in back-off until {until:%Y-%m-%dT%H:%M:%SZ} ({backoff.kind.value}{times})"


def _quiet_hours(settings: Settings, request: Order, local_time: datetime) -> Failure | None:
    hours = quiet_hours.hours_at(settings.schedule.quiet, local_time) if request.trigger is Trigger.SCHEDULE else None
    return _skipped("quiet_hours", f"quiet hours {hours} (schedule.quiet)") if hours else None


def _budget(settings: Settings, memory: Memory, now: datetime) -> Failure | None:
    limit, used = settings.budget.month_gb, memory.spent
    if not limit or used is None or now.timestamp() >= used.until or used.bytes < limit * GB:
        return None
    text = f"the tests of this month have used {used.bytes / GB:.2f} of {limit:g} GB (budget.month_gb)"
    return _skipped("budget", f"{text}; `speedmon usage` shows it")


def _rest(request: Order, memory: Memory, now: datetime) -> Failure | None:
    """Return the back-off of the requested engine as the reason; a second attempt is allowed in spite of it."""
    if request.attempt > 1:
        return None
    backoff = retry.resting(memory.rests, int(now.timestamp())).get(request.engine)
    return silenced(request.engine, backoff) if backoff else None


def _skipped(stage: str, message: str) -> Failure:
    return Failure(Kind.UNKNOWN, Scope.LOCAL, stage, message)
