"""A simulated year of each schedule: DST in four zones, sleep, and clocks that are set. No thread, no waiting.

The schedule and APScheduler are the real ones; only their clock, and the thread that waits for the next slot, are not.
What is expected is computed minute by minute from the clock on the wall.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from apscheduler.executors import base as executors_base
from apscheduler.executors.debug import DebugExecutor
from apscheduler.schedulers import base as schedulers_base
from apscheduler.schedulers.base import BaseScheduler

from monitor.config.settings import ScheduleSettings
from monitor.scheduler import schedule
from monitor.scheduler.schedule import MissedSlots, SlotScheduler, make_timetable
from monitor.system.clock import ClockReading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

BEGIN, END = datetime(2026, 1, 1, 0, 48, tzinfo=UTC), datetime(2027, 1, 1, 0, 48, tzinfo=UTC)

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

JITTER_S = 600


def asleep(at: datetime, length: timedelta) -> tuple[datetime, str, timedelta]:
    """Return a sleep of the machine."""
    return at, "sleep", length


def set_by(at: datetime, jump: timedelta) -> tuple[datetime, str, timedelta]:
    """Return a clock that is set."""
    return at, "set", jump


def moment(month: int, day: int, hour: int, minute: int) -> datetime:
    """Return a time of the year, UTC."""
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


# At minutes at which no slot waits for its jitter. Some sleeps hold a change of DST, some changes of the clock too.
EVENTS = (
    asleep(moment(2, 3, 21, 47), timedelta(hours=9, minutes=25)),
    asleep(moment(3, 28, 22, 51), timedelta(hours=7, minutes=1)),
    set_by(moment(4, 10, 12, 48), timedelta(hours=5, minutes=4)),
    set_by(moment(5, 20, 12, 48), -timedelta(hours=3, minutes=4)),
    set_by(moment(6, 1, 12, 48), timedelta(seconds=5)),
    asleep(moment(7, 1, 12, 48), timedelta(minutes=3)),
    asleep(moment(8, 1, 12, 48), timedelta(days=16)),
    set_by(moment(9, 1, 12, 48), timedelta(days=40)),
    set_by(moment(10, 24, 22, 48), -timedelta(days=30)),
    asleep(moment(10, 24, 22, 48), timedelta(hours=8)),
)


class SteppedScheduler(BaseScheduler):  # type: ignore[misc]  # APScheduler ships no types
    """A scheduler without threads: whoever holds it calls `look` when a slot is due."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"executors": {"default": DebugExecutor()}})

    def wakeup(self) -> None:
        """Do nothing: the caller looks at the clock."""

    def look(self) -> None:
        """Submit what is due, as the thread of a scheduler does when it wakes up."""
        self._process_jobs()

    def shutdown(self, wait: bool = True) -> None:
        """End it."""
        super().shutdown(wait)


@dataclass
class Year:
    """A machine whose wall clock and seconds since boot a test moves; what the wall clock went through."""

    wall: datetime = BEGIN
    boot_s: float = 0.0
    stretches: list[tuple[datetime, datetime]] = field(default_factory=list)
    runs: list[datetime] = field(default_factory=list)
    missed: list[MissedSlots] = field(default_factory=list)

    def read(self) -> ClockReading:
        """Return both clocks."""
        return ClockReading(self.wall, self.boot_s)

    def pass_time(self, until: datetime) -> None:
        """Let time pass."""
        if until > self.wall:
            self.stretches.append((self.wall, until))
            self.boot_s += (until - self.wall).total_seconds()
            self.wall = until

    def live(self, slots: SlotScheduler, scheduler: SteppedScheduler) -> None:
        """Live through the year: run what is due, sleep, and have the clock set."""
        for at, kind, length in (*EVENTS, (END, "end", timedelta())):
            self._wait(slots, scheduler, at)
            if kind == "sleep":
                self.pass_time(self.wall + length)
            self.wall += length if kind == "set" else timedelta()
            slots.wake()
            scheduler.look()

    def _wait(self, slots: SlotScheduler, scheduler: SteppedScheduler, at: datetime) -> None:
        while (due := slots.next_slot()) is not None and due < at:
            self.pass_time(due)
            scheduler.look()
        self.pass_time(at)


@pytest.fixture
def year(monkeypatch: pytest.MonkeyPatch) -> Year:
    """Return a year whose clock APScheduler reads too."""
    lived = Year()

    class YearTime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return lived.wall.astimezone(tz)

    monkeypatch.setattr(schedulers_base, "datetime", YearTime)
    monkeypatch.setattr(executors_base, "datetime", YearTime)
    monkeypatch.setattr(schedule, "BackgroundScheduler", SteppedScheduler)
    return lived


def live(year: Year, settings: ScheduleSettings) -> None:
    """Live through the year with this schedule."""
    timetable = make_timetable(settings, ZoneInfo(settings.timezone), BEGIN, BEGIN)
    timetable = schedule.replace(timetable, made_at=BEGIN)
    slots = SlotScheduler(timetable, lambda: year.runs.append(year.wall), year.missed.append, year.read)
    slots.start()
    year.live(slots, slots._scheduler)  # noqa: SLF001  it has no threads
    slots.stop()


def minutes_of_clock(year: Year, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    """Yield each minute that began while the clock ran, as UTC and local time; one that the clock repeats, twice."""
    for begin, end in year.stretches:
        at = begin.replace(second=0, microsecond=0)
        at += MINUTE if at < begin else timedelta()
        while at < end:
            yield at, at.astimezone(zone)
            at += MINUTE


def by_the_minute(year: Year, zone: ZoneInfo, minute: int) -> list[datetime]:
    """Return the slots of an expression with a star for the hour: they follow the clock through its changes."""
    return [at for at, local in minutes_of_clock(year, zone) if local.minute == minute]


def once_a_day(year: Year, zone: ZoneInfo, clock: tuple[int, int], weekdays: range = range(7)) -> list[datetime]:
    """Return the slots of a time of day: each day once, right after a change that skips it."""
    slots: dict[date, datetime] = {}
    day = BEGIN.date() - DAY
    while day <= END.date() + DAY:
        local = datetime(day.year, day.month, day.day, *clock, tzinfo=zone)
        at = local.astimezone(UTC)
        if at.astimezone(zone).replace(tzinfo=None) != local.replace(tzinfo=None):
            at = next(at for at in _minutes_around(at) if _is_after_change(at, zone))
        if day.weekday() in weekdays:
            slots[day] = at
        day += DAY
    return [at for begin, end in year.stretches for at in slots.values() if begin <= at < end]


def _minutes_around(at: datetime) -> Iterator[datetime]:
    return (at + minutes * MINUTE for minutes in range(-120, 120))


def _is_after_change(at: datetime, zone: ZoneInfo) -> bool:
    return at.astimezone(zone).utcoffset() != (at - MINUTE).astimezone(zone).utcoffset()


def assert_exactly(year: Year, expected: list[datetime]) -> None:
    """Assert that each slot has one run or is in one report of missed ones, and that nothing else ran."""
    slots = sorted(set(expected))

    def place(moment: datetime) -> int:
        """Return the place of the slot of a time, which is late by jitter."""
        return bisect_right(slots, moment.astimezone(UTC)) - 1

    left_out = [slots[i] for report in year.missed for i in range(place(report.since), place(report.until) + 1)]
    assert sum(report.slots for report in year.missed) == len(left_out)
    assert Counter([*(slots[place(run)] for run in year.runs), *left_out]) == Counter(expected)


ZONES = [("Europe/Berlin", 0), ("America/New_York", 20), ("Australia/Lord_Howe", 30)]


@pytest.mark.parametrize(("name", "minute"), ZONES)
def test_an_hourly_schedule_has_each_slot_once(year: Year, name: str, minute: int):
    """Through changes of DST, sleep and a clock that is set: one run or one missed row for each slot."""
    live(year, ScheduleSettings(cron=f"{minute} * * * *", timezone=name, jitter_s=JITTER_S))
    assert_exactly(year, by_the_minute(year, ZoneInfo(name), minute))
    assert len(year.runs) > 7000
    assert len(year.missed) <= 8


@pytest.mark.parametrize(
    ("name", "text", "clock", "weekdays"),
    [
        ("Europe/Berlin", "30 2 * * *", (2, 30), range(7)),
        ("America/New_York", "15 1 * * *", (1, 15), range(7)),
        ("Australia/Lord_Howe", "10 2 * * *", (2, 10), range(7)),
        ("Asia/Kathmandu", "0 6 * * 1-5", (6, 0), range(5)),
    ],
)
def test_a_daily_schedule_has_each_day_once(year: Year, name: str, text: str, clock: tuple[int, int], weekdays: range):
    """A time of day that a change skips is made up for right after it, one that comes twice has one test."""
    live(year, ScheduleSettings(cron=text, timezone=name, jitter_s=JITTER_S))
    assert_exactly(year, once_a_day(year, ZoneInfo(name), clock, weekdays))


def test_an_interval_keeps_its_rhythm_all_year(year: Year):
    """By the seconds since boot: a clock that is set neither adds nor takes away a test, and sleep makes no storm."""
    live(year, ScheduleSettings(every_s=7200, jitter_s=JITTER_S))
    slots = len(year.runs) + sum(report.slots for report in year.missed)
    assert abs(slots - year.boot_s / 7200) <= 1
    assert sum(report.slots for report in year.missed) in range(180, 205)
    assert len(year.missed) <= 8  # two for each sleep


@pytest.mark.parametrize(("jitter_s", "least_s", "most_s"), [(600, 60, 600), (3600, 60, 1800), (60, 30, 60), (0, 0, 0)])
def test_nobody_tests_at_minute_0(jitter_s: int, least_s: int, most_s: int):
    """By default each test comes a minute after its slot or later, and at most half an interval."""
    when = make_timetable(ScheduleSettings(cron="0 * * * *", jitter_s=jitter_s), ZoneInfo("UTC"), BEGIN, None)
    slot, delays = BEGIN, []
    for _ in range(300):
        slot = when.trigger.get_next_fire_time(slot, slot)
        delays.append((slot - slot.replace(minute=0, second=0, microsecond=0)).total_seconds())
    assert least_s <= min(delays)
    assert max(delays) <= most_s
    assert ScheduleSettings().jitter_s >= 600
