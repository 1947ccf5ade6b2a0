"""Runs a job at each slot of a timetable, and reports every slot in which it did not run.

The only home of APScheduler. The job, and what to do with a missed slot, are passed in as functions. Slots without a
test become one skipped run with its cause.
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_SUBMITTED,
    JobExecutionEvent,
    JobSubmissionEvent,
)
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.interval import IntervalTrigger

from monitor.config import cron
from monitor.model import Failure, FailureKind, NetworkPath, Run, Scope, Status, Trigger
from monitor.system.clock import ClockReading, read_clocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from zoneinfo import ZoneInfo

    from monitor.config.settings import ScheduleSettings, Settings


ASLEEP = "the machine was asleep, very busy, or had its clock set"
STILL_RUNNING = "the previous test was still running"

JOB_ID = "collect"

SCHEDULE_STAGE = "schedule"

# No test of an expression starts in the first minute of its slot, or in the first half of a short jitter: of all who
# test at minute 0, none does so then.
LEAST_DELAY_S = 60

# Where nothing was ever measured, the first test comes soon.
FIRST_DELAY_S = 60

# A clock that was set by less does not change the schedule.
MIN_JUMP_S = 10.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timetable:
    """The slots, the same with jitter, and how late a test may start (half the shortest interval).

    Slots count from `made_at` on: one that passes before the schedule starts is late, not skipped. `every_s` is the
    interval where slots are so far apart whatever the clock shows.
    """

    slots: Any
    trigger: Any
    grace_s: int
    made_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    every_s: int | None = None

    def after_jump(self, due: datetime | None, jump_s: float, now: datetime) -> Timetable:
        """Return the timetable after the clock was set by so many seconds; `due` is the next slot, by the old clock.

        Intervals keep their rhythm; slots of cron are those of the new time.
        """
        if self.every_s is None:
            return replace(self, made_at=now)
        every = timedelta(seconds=self.every_s)
        start = min(max(due + timedelta(seconds=jump_s), now), now + every) if due else now + every
        slots = IntervalTrigger(seconds=self.every_s, start_date=start, timezone=UTC)
        return replace(self, slots=slots, trigger=slots, made_at=now)


def make_timetable(settings: ScheduleSettings, zone: ZoneInfo, now: datetime, last: datetime | None) -> Timetable:
    """Return the timetable of `schedule.cron`, or that of `schedule.every_s` where cron is empty.

    Jitter is limited to half the shortest interval, so that a late test never reaches the next slot.

    Args:
        settings: the section `schedule`.
        zone: the time zone of the cron fields.
        now: the current time.
        last: start of the last stored run, from which intervals are counted; None if there is none.

    Raises:
        ConfigError: the cron expression cannot be read.
    """
    if settings.cron:
        return _cron_timetable(cron.parse(settings.cron), settings.jitter_s, zone)
    return _interval_timetable(settings, now, last)


def _cron_timetable(when: cron.Cron, jitter_s: int, zone: ZoneInfo) -> Timetable:
    grace_s = when.shortest_gap_s // 2
    return Timetable(_CronTrigger(when, zone), _CronTrigger(when, zone, min(jitter_s, grace_s)), grace_s)


class _CronTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler ships no types
    """The slots of a cron expression, each late by up to a jitter."""

    def __init__(self, when: cron.Cron, zone: ZoneInfo, jitter_s: int = 0) -> None:
        self._when, self._zone, self._jitter_s = when, zone, jitter_s

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """Return the slot after the one before, or after now where that is earlier: what was missed is due too."""
        begin = min(now, previous_fire_time + timedelta(microseconds=1)) if previous_fire_time else now
        if begin == previous_fire_time:
            begin += timedelta(microseconds=1)
        slot = self._when.first_from(begin, self._zone)
        if slot is None or not self._jitter_s:
            return slot
        least_s = min(LEAST_DELAY_S, self._jitter_s / 2)
        return slot + timedelta(seconds=random.uniform(least_s, self._jitter_s))  # noqa: S311  no secret


def _interval_timetable(settings: ScheduleSettings, now: datetime, last: datetime | None) -> Timetable:
    every = timedelta(seconds=settings.every_s)
    grace_s = max(1, settings.every_s // 2)
    due = min(last + every, now + every) if last else now
    if due <= now:
        # Overdue: soon, but not at once, for a daemon that restarts in a loop or many machines after a power cut.
        most_s = min(settings.jitter_s, grace_s, settings.jitter_s if last else FIRST_DELAY_S)
        due = now + timedelta(seconds=random.uniform(0, most_s))  # noqa: S311  no secret
    # A trigger's own jitter would accumulate, since each slot counts from the one before: only the start varies.
    start = due.replace(microsecond=0) + timedelta(seconds=1)
    slots = IntervalTrigger(seconds=settings.every_s, start_date=start, timezone=UTC)
    return Timetable(slots, slots, grace_s, every_s=settings.every_s)


class SlotScheduler:
    """Runs `job` in one thread at each slot; `report` is called for missed slots, in a thread of the scheduler.

    A slot whose job raises counts as missed; the message of the error is the cause. A clock that is set while it waits
    is noticed by `wake`, and by the next slot: slots that the clock skipped are not missed.
    """

    def __init__(
        self,
        timetable: Timetable,
        job: Callable[[], None],
        report: Callable[[MissedSlots], None],
        read_clocks: Callable[[], ClockReading] = read_clocks,
    ) -> None:
        self._timetable = timetable
        self._report = report
        self._read_clocks = read_clocks
        self._clocks = read_clocks()
        self._previous: datetime | None = None
        self._scheduler = BackgroundScheduler(timezone=UTC, executors={"default": ThreadPoolExecutor(1)})
        self._scheduler.add_listener(self._on_slot, EVENT_JOB_SUBMITTED | EVENT_JOB_MAX_INSTANCES)
        self._scheduler.add_listener(self._on_end, EVENT_JOB_MISSED | EVENT_JOB_ERROR)
        self._scheduler.add_job(
            job,
            timetable.trigger,
            id=JOB_ID,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=timetable.grace_s,
            # Fixed: otherwise a slow start would skip the first slot and wait a full interval.
            next_run_time=timetable.trigger.get_next_fire_time(None, timetable.made_at),
        )

    def start(self) -> None:
        """Start the schedule; the job runs in a thread of the scheduler."""
        self._scheduler.start()

    def wake(self) -> None:
        """Look at the clock now: waiting for a slot counts neither the time asleep nor that the clock was set."""
        self._follow_clock()
        self._scheduler.wakeup()

    def _follow_clock(self) -> None:
        """Plan the next slot again if the clock was set since the last look."""
        before, self._clocks = self._clocks, self._read_clocks()
        jump_s, now = before.jump_s(self._clocks), self._clocks.wall
        if abs(jump_s) < MIN_JUMP_S:
            return
        _log.warning("schedule: the clock was set by %+.0f s; the next slot is planned again", jump_s)
        self._timetable = self._timetable.after_jump(self.next_slot(), jump_s, now)
        self._previous = None
        trigger = self._timetable.trigger
        self._scheduler.modify_job(JOB_ID, trigger=trigger, next_run_time=trigger.get_next_fire_time(None, now))

    def next_slot(self) -> datetime | None:
        """Return when the next test is due; None if no test is."""
        job = self._scheduler.get_job(JOB_ID)
        slot: datetime | None = job.next_run_time if job else None
        return slot

    def stop(self) -> None:
        """Start no further job; does not wait for a running one."""
        self._scheduler.shutdown(wait=False)

    def _on_slot(self, event: JobSubmissionEvent) -> None:
        slot = event.scheduled_run_times[-1]
        self._follow_clock()
        missed = list(slots_between(self._timetable.slots, self._previous, slot)) if self._previous else []
        self._previous = slot
        if missed:
            self._report(MissedSlots(missed[0], missed[-1], len(missed), ASLEEP))
        if event.code == EVENT_JOB_MAX_INSTANCES:
            self._report(MissedSlots(slot, slot, 1, STILL_RUNNING))

    def _on_end(self, event: JobExecutionEvent) -> None:
        slot = event.scheduled_run_time
        self._report(MissedSlots(slot, slot, 1, str(event.exception) if event.exception else ASLEEP))


def slots_between(slots: Any, previous: datetime, slot: datetime) -> Iterator[datetime]:
    """Yield the slots after `previous` and before that of `slot`; both may be late by less than an interval.

    The scheduler coalesces them into the last one silently.
    """
    tick = timedelta(microseconds=1)
    current = slots.get_next_fire_time(None, previous + tick)
    following = slots.get_next_fire_time(None, current + tick)
    while following <= slot:
        yield current.astimezone(UTC)
        current, following = following, slots.get_next_fire_time(None, following + tick)


@dataclass(frozen=True, slots=True)
class MissedSlots:
    """Consecutive slots without a test: the first, the last, how many, and the cause."""

    since: datetime
    until: datetime
    slots: int
    cause: str

    def message(self, schedule: str = "") -> str:
        """Return one line that says how many tests are missing, of which schedule if there are several, and why."""
        named = f" of the schedule {schedule}" if schedule else ""
        if self.slots == 1:
            return f"no test{named} at this time: {self.cause}"
        return f"{self.slots} tests{named} missed in a row: {self.cause}"


def to_skipped_run(missed: MissedSlots, settings: Settings, run_id: str) -> Run:
    """Return the missed slots as a skipped run from the first to the last slot.

    Args:
        missed: the slots.
        settings: the settings of the tests of this schedule.
        run_id: the id of the run.
    """
    return Run(
        id=run_id,
        probe=settings.probe.name,
        started_at=missed.since.replace(microsecond=0),
        finished_at=missed.until.replace(microsecond=0),
        status=Status.SKIPPED,
        trigger=Trigger.SCHEDULE,
        path=NetworkPath(settings.collect.path),
        engine=settings.collect.engine,
        failure=Failure(FailureKind.UNKNOWN, Scope.LOCAL, SCHEDULE_STAGE, missed.message(settings.schedule.name)),
    )
