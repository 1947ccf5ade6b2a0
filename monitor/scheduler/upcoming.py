"""The next slots of all schedules, and which of them will be left out. The clock is passed in."""

from __future__ import annotations

import heapq
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

from monitor.config.quiet_hours import quiet_hours_at
from monitor.localtime import resolve_zone
from monitor.scheduler.daemon import last_test
from monitor.scheduler.schedule import make_timetable
from monitor.store.pause import pause_file, read_pause

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.config.settings import Settings
    from monitor.store.pause import Pause


class UpcomingSlot(Struct, frozen=True):
    """A slot: its time (UTC) without jitter, the seconds of jitter at most, its schedule, and why it is left out."""

    at: datetime
    jitter_s: int
    schedule: str
    engine: str
    path: str
    skipped: str | None = None


def upcoming_slots(settings: Settings, now: datetime, count: int) -> list[UpcomingSlot]:
    """Return the next slots of all schedules, the soonest first.

    Raises:
        ConfigError: a cron expression or its zone cannot be read.
        StoreError: the database cannot be read.
    """
    pause = read_pause(pause_file(settings.database.url, os.environ, os.geteuid()), now)
    each = [_slots_of(settings.with_schedule(schedule), now, count, pause) for schedule in settings.schedules]
    return list(heapq.merge(*each, key=lambda slot: slot.at))[:count]


def _slots_of(settings: Settings, now: datetime, count: int, pause: Pause | None) -> Iterator[UpcomingSlot]:
    schedule = settings.schedule
    zone = resolve_zone(schedule.timezone, "schedule.timezone")
    timetable = make_timetable(schedule, zone, now, last_test(settings))
    jitter_s = min(schedule.jitter_s, timetable.grace_s) if timetable.every_s is None else 0
    slot = timetable.slots.get_next_fire_time(None, now)
    for _ in range(count):
        if slot is None:
            return
        quiet = quiet_hours_at(schedule.quiet, slot.astimezone(zone))
        skipped = f"quiet hours {quiet}" if quiet else "paused" if pause and pause.is_active(slot) else None
        at = slot.astimezone(UTC).replace(microsecond=0)
        yield UpcomingSlot(at, jitter_s, schedule.name, settings.collect.engine, settings.collect.path, skipped)
        slot = timetable.slots.get_next_fire_time(slot, slot + timedelta(microseconds=1))
