"""Slots come when cron says, and a slot without a test is reported with its cause."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from apscheduler.schedulers import base
from apscheduler.triggers.base import BaseTrigger

from monitor.config.settings import ScheduleSettings
from monitor.errors import ConfigError, SpeedmonError
from monitor.scheduler.schedule import (
    ASLEEP,
    STILL_RUNNING,
    MissedSlots,
    SlotScheduler,
    Timetable,
    make_timetable,
    slots_between,
)
from monitor.system.clock import ClockReading, seconds_since_boot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import tzinfo

NOW = datetime(2026, 11, 23, 13, 17, 3, tzinfo=UTC)  # a Monday

UTC_ZONE = ZoneInfo("UTC")

DEADLINE_S = 120


def fires(when: Timetable, count: int, now: datetime = NOW) -> list[datetime]:
    """Return the first slots that APScheduler computes, in UTC."""
    slots: list[datetime] = []
    for _ in range(count):
        slots.append(when.slots.get_next_fire_time(slots[-1] if slots else None, slots[-1] if slots else now))
    return [slot.astimezone(UTC) for slot in slots]


def by_cron(text: str, zone: str = "UTC") -> Timetable:
    """Return the timetable of an expression without jitter."""
    return make_timetable(ScheduleSettings(cron=text, jitter_s=0), ZoneInfo(zone), NOW, None)


@pytest.mark.parametrize(
    ("text", "slots"),
    [
        ("*/15 * * * *", ["11-23 13:30", "11-23 13:45", "11-23 14:00"]),
        ("0 0 * * 0", ["11-29 00:00", "12-06 00:00"]),
        ("0 0 * * 7", ["11-29 00:00", "12-06 00:00"]),
        ("0 0 * * sun", ["11-29 00:00", "12-06 00:00"]),
        ("0 6 * * 1-5", ["11-24 06:00", "11-25 06:00", "11-26 06:00", "11-27 06:00", "11-30 06:00"]),
        ("0 6 * * 5-7", ["11-27 06:00", "11-28 06:00", "11-29 06:00", "12-04 06:00"]),
        ("0 6 * * */2", ["11-24 06:00", "11-26 06:00", "11-28 06:00", "11-29 06:00"]),
        ("0 0 1 * 5", ["11-27 00:00", "12-01 00:00", "12-04 00:00"]),
        ("0 0 */10 * 2", ["12-01 00:00"]),
        ("30 2 1 12 *", ["12-01 02:30"]),
    ],
)
def test_slots_are_those_of_cron(text: str, slots: list[str]):
    """APScheduler fires on the days that cron means, also where the two count weekdays differently."""
    assert [f"{slot:%m-%d %H:%M}" for slot in fires(by_cron(text), len(slots))] == slots


def test_slots_on_the_first_or_on_friday_are_not_doubled():
    """A day that matches both the day of the month and the weekday has one slot."""
    may = datetime(2026, 4, 30, tzinfo=UTC)  # 1 May 2026 is a Friday
    assert [slot.day for slot in fires(by_cron("0 0 1 * 5"), 3, may)] == [1, 8, 15]


def test_cron_fields_are_read_in_their_zone():
    """03:00 in Berlin is 02:00 UTC in winter."""
    assert fires(by_cron("0 3 * * *", "Europe/Berlin"), 1)[0].hour == 2


def test_jitter_only_delays_and_stays_below_half_the_interval():
    """However large the jitter, every slot of an hour has its test, late by half an interval at most."""
    when = make_timetable(ScheduleSettings(cron="*/10 * * * *", jitter_s=3600), UTC_ZONE, NOW, None)
    slot = NOW
    for exact in fires(when, 50):
        slot = when.trigger.get_next_fire_time(slot, slot)
        assert timedelta(0) <= slot - exact <= timedelta(minutes=5)


@pytest.mark.parametrize(("text", "grace_s"), [("*/15 * * * *", 450), ("0 3 * * *", 43_200), ("* * * * *", 30)])
def test_a_test_may_start_late_by_half_the_interval(text: str, grace_s: int):
    """The grace time of a slot is half the shortest interval."""
    assert by_cron(text).grace_s == grace_s


@pytest.mark.parametrize(
    ("last_s_ago", "first_after_s"),
    [(None, 0), (7200, 0), (600, 3000), (-90_000, 3600)],
    ids=["never tested", "overdue", "rhythm kept", "clock was ahead"],
)
def test_an_interval_keeps_its_rhythm_over_a_restart(last_s_ago: int | None, first_after_s: int):
    """The first slot is an interval after the last run, at once when that has passed, and never further off."""
    last = None if last_s_ago is None else NOW - timedelta(seconds=last_s_ago)
    when = make_timetable(ScheduleSettings(every_s=3600, jitter_s=0), UTC_ZONE, NOW, last)
    first, second = fires(when, 2)
    assert timedelta(0) < first - NOW - timedelta(seconds=first_after_s) <= timedelta(seconds=1)
    assert second - first == timedelta(hours=1)


def test_an_overdue_interval_starts_within_its_jitter():
    """Many probes that start at once do not all test at once."""
    settings = ScheduleSettings(every_s=3600, jitter_s=60)
    firsts = {fires(make_timetable(settings, UTC_ZONE, NOW, None), 1)[0] for _ in range(100)}
    assert len(firsts) > 10
    assert max(firsts) <= NOW + timedelta(seconds=61)


def test_a_bad_expression_names_the_setting():
    """A cron expression that cannot be read is a mistake in the configuration."""
    with pytest.raises(ConfigError, match=r"^schedule\.cron: minute: 61"):
        by_cron("61 * * * *")


@pytest.mark.parametrize(
    ("slot", "missed"),
    [("14:00", []), ("14:07", []), ("14:15", ["14:00"]), ("15:00", ["14:00", "14:15", "14:30", "14:45"])],
)
def test_slots_between_two_runs(slot: str, missed: list[str]):
    """The slots after the one before (13:52, late for 13:45) and before the one that ran are those missed."""
    hour, minute = map(int, slot.split(":"))
    late = NOW.replace(minute=52)
    slots = slots_between(by_cron("*/15 * * * *").slots, late, NOW.replace(hour=hour, minute=minute, second=0))
    assert [f"{moment:%H:%M}" for moment in slots] == missed


class Grid(BaseTrigger):
    """A trigger with a slot each `step_ms` from `start` on, finer than the whole seconds of APScheduler's own."""

    def __init__(self, start: datetime, step_ms: int) -> None:
        self.start = start
        self.step = timedelta(milliseconds=step_ms)

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """Return the slot after the previous one, else the first that is not before now."""
        if previous_fire_time:
            return previous_fire_time + self.step
        return self.start + self.step * max(0, -((self.start - now) // self.step))


class Rarely(BaseTrigger):
    """A trigger with slots a day apart, the first of them wherever a test wants it, also in the past."""

    def __init__(self, first: datetime) -> None:
        self.first = first

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:  # noqa: ARG002  its signature
        """Return the slot after the previous one."""
        return previous_fire_time + timedelta(days=1) if previous_fire_time else self.first


def once(slot: datetime) -> Timetable:
    """Return a timetable with one slot that a test sees, which may be a minute late."""
    return Timetable(Rarely(slot), Rarely(slot), 60)


@pytest.fixture
def running() -> Iterator[Callable[..., SimpleQueue[MissedSlots]]]:
    """Yield a function that starts a schedule and returns the queue of what it reports; all end with the test."""
    schedules: list[SlotScheduler] = []

    def start(when: Timetable, job: Callable[[], None]) -> SimpleQueue[MissedSlots]:
        reports: SimpleQueue[MissedSlots] = SimpleQueue()
        schedules.append(SlotScheduler(when, job, reports.put))
        schedules[-1].start()
        return reports

    yield start
    for schedule in schedules:
        schedule.stop()


def test_a_slot_runs_the_job(running: Callable[..., SimpleQueue[MissedSlots]]):
    """The job runs at its slot, and nothing is reported."""
    ran = threading.Event()
    reports = running(once(datetime.now(UTC)), ran.set)
    assert ran.wait(DEADLINE_S)
    assert reports.empty()


def test_a_late_start_still_has_its_first_slot():
    """A daemon that took long to start tests at once instead of an interval later: the slot was fixed before."""
    slot, ran = datetime.now(UTC) + timedelta(milliseconds=100), threading.Event()
    when = Timetable(Grid(slot, 3_600_000), Grid(slot, 3_600_000), 60)
    while datetime.now(UTC) <= slot:
        ran.wait(0.01)
    schedule = SlotScheduler(when, ran.set, lambda _: None)
    schedule.start()
    assert ran.wait(DEADLINE_S)
    schedule.stop()


def test_a_slot_that_comes_too_late_is_reported(running: Callable[..., SimpleQueue[MissedSlots]]):
    """A slot that is half an hour late, as after a sleep, runs nothing and is reported as missed."""
    slot = datetime.now(UTC) - timedelta(minutes=30)
    missed = running(once(slot), lambda: None).get(timeout=DEADLINE_S)
    assert missed == MissedSlots(slot, slot, 1, ASLEEP)


def test_a_slot_during_a_test_is_reported(running: Callable[..., SimpleQueue[MissedSlots]]):
    """While a test still runs, the next slot starts none and is reported as missed."""
    release = threading.Event()
    often = Grid(datetime.now(UTC), 50)
    reports = running(Timetable(often, often, 60), lambda: release.wait(DEADLINE_S) and None)
    missed = reports.get(timeout=DEADLINE_S)
    release.set()
    assert missed.cause == STILL_RUNNING


def test_a_job_that_raises_is_reported(running: Callable[..., SimpleQueue[MissedSlots]]):
    """What a test could not record itself becomes a missed slot with its message."""

    def job() -> None:
        raise SpeedmonError("the test ended with exit 1 without a result: no memory")

    assert "no memory" in running(once(datetime.now(UTC)), job).get(timeout=DEADLINE_S).message()


def test_coalesced_slots_are_reported_together(running: Callable[..., SimpleQueue[MissedSlots]]):
    """Slots that passed unnoticed between two tests are reported once, from the first of them to the last."""
    start = datetime.now(UTC)
    reports = running(Timetable(Grid(start, 50), Grid(start, 200), 60), lambda: None)
    missed = reports.get(timeout=DEADLINE_S)
    assert (missed.slots % 4, missed.cause) == (3, ASLEEP)
    assert missed.until - missed.since == timedelta(milliseconds=50) * (missed.slots - 1)


class SettableClock:
    """The clock of APScheduler and of the schedule, ahead of the true one by `ahead`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, ahead: timedelta) -> None:
        self.ahead, clock = ahead, self

        class SetTime(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:
                return datetime.now(tz) + clock.ahead

        monkeypatch.setattr(base, "datetime", SetTime)

    def read(self) -> ClockReading:
        """Return what the clock shows, and the seconds since boot, which nobody sets."""
        return ClockReading(datetime.now(UTC) + self.ahead, seconds_since_boot())


YEAR = timedelta(days=400)


@pytest.mark.parametrize(
    "schedule", [ScheduleSettings(every_s=1, jitter_s=0), ScheduleSettings(cron="* * * * *", jitter_s=0)]
)
@pytest.mark.parametrize(("before", "after"), [(YEAR, timedelta(0)), (timedelta(0), YEAR)], ids=["back", "forward"])
def test_a_clock_that_is_set_stops_no_test(
    monkeypatch: pytest.MonkeyPatch, schedule: ScheduleSettings, before: timedelta, after: timedelta
):
    """The next slot is soon by the new clock, and the years between are no missed tests."""
    clock, ran, reports = SettableClock(monkeypatch, before), threading.Event(), []
    when = make_timetable(schedule, UTC_ZONE, clock.read().wall, clock.read().wall)
    slots = SlotScheduler(replace(when, made_at=clock.read().wall), ran.set, reports.append, clock.read)
    slots.start()
    clock.ahead = after
    slots.wake()
    assert timedelta(0) <= slots.next_slot() - clock.read().wall + timedelta(seconds=2) <= timedelta(seconds=63)
    if schedule.every_s == 1:
        ran.clear()
        assert ran.wait(DEADLINE_S * 3)
    slots.stop()
    assert reports == []


def test_an_interval_keeps_its_rhythm_when_the_clock_is_set():
    """By the clock that nobody sets: the time until the next slot is as long as before."""
    when = make_timetable(ScheduleSettings(every_s=3600, jitter_s=0), UTC_ZONE, NOW, NOW - timedelta(minutes=20))
    due = when.slots.get_next_fire_time(None, NOW)
    moved = when.after_jump(due, -YEAR.total_seconds(), NOW - YEAR)
    assert moved.slots.get_next_fire_time(None, NOW - YEAR) == due - YEAR
