"""Runs the notifier at intervals next to `speedmon serve`: for what no test reports, such as that none was recorded.

It is a child process at the lowest priority, which pauses during a test. After each test, `collect` starts one too.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from monitor.config.settings import ScheduleSettings
from monitor.errors import SpeedmonError
from monitor.scheduler.schedule import ASLEEP, STILL_RUNNING, SlotScheduler, make_timetable
from monitor.scheduler.subprocesses import LowPriorityRunner, max_duration_s, speedmon_command
from monitor.system import lock

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from monitor.config.settings import Settings
    from monitor.scheduler.schedule import MissedSlots

# Seconds between two calls where this machine tests by itself, and where it only reads what others stored.
INTERVAL_S, READING_INTERVAL_S = 900, 300

DEADLINE_S = 900

_log = logging.getLogger(__name__)


class NotifierService:
    """Runs `speedmon notify run` until it is stopped.

    Args:
        settings: all settings.
        config: the configuration file for the children; None: they look for it themselves.
        source: options that name another database, or probes.
        every_s: seconds between two calls.
    """

    def __init__(
        self, settings: Settings, config: Path | None, source: Sequence[str] = (), every_s: int = INTERVAL_S
    ) -> None:
        self._command = speedmon_command(config, "notify", "run", "-q", *source)
        self._runner = LowPriorityRunner(
            lambda: lock.is_held(settings.collect.lock_file), DEADLINE_S, max_duration_s(settings)
        )
        interval = ScheduleSettings(every_s=every_s, jitter_s=0)
        times = make_timetable(interval, ZoneInfo("UTC"), datetime.now(UTC), None)
        self._schedule = SlotScheduler(times, self._run, _log_missed_call)
        self.start = self._schedule.start
        self.wake = self._schedule.wake

    def stop(self) -> None:
        """Make no further call and end a running child; does not wait."""
        self._schedule.stop()
        self._runner.stop()

    def finish(self, seconds: float) -> None:
        """Wait at most `seconds` for a running child to end."""
        self._runner.wait(seconds)

    def _run(self) -> None:
        try:
            self._runner.run(self._command)
        except (SpeedmonError, OSError) as error:  # OSError: no space for the output of the child, or no process
            _log.error("notify: %s", error)


def is_wanted(settings: Settings) -> bool:
    """Return whether the settings name anything to notify."""
    notify, mqtt = settings.notify, settings.mqtt
    return bool(notify.urls or notify.urls_file or notify.ping_url or mqtt.url or mqtt.url_file)


def source_options(database_url: str | None, probes: Sequence[str]) -> list[str]:
    """Return the options by which a child reads another database, or some probes."""
    named = [part for probe in probes for part in ("--probe", probe)]
    return [*(["--database-url", database_url] if database_url else []), *named]


def _log_missed_call(missed: MissedSlots) -> None:
    """Log a call that failed. The next one makes up for one that was skipped."""
    if missed.cause not in {ASLEEP, STILL_RUNNING}:
        _log.error("notify: %s", missed.cause)
