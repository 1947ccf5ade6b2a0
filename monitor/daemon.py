"""Scheduled tests: each slot runs `collect` as a child process, and a slot without a test becomes a row.

Puts together the schedule, the child and the store; ends them in order within the time its caller gives.
"""

from __future__ import annotations

import logging
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from monitor.child import Child, collect_command
from monitor.errors import ConfigError, SpeedmonError
from monitor.gap import as_run
from monitor.model import Attempt
from monitor.schedule import Schedule, timetable
from monitor.store.open import open_reader, open_writer
from monitor.store.read import last
from monitor.store.write import add
from monitor.zone import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from monitor.gap import Gap
    from monitor.settings import Settings

log = logging.getLogger(__name__)

# What collect needs beside its engine: the checks before, the probe that explains a failure, the store after.
BESIDE_THE_ENGINE_S = 120


class Daemon:
    """Runs tests on the schedule of the settings until it is stopped.

    Args:
        settings: all settings.
        config: the configuration file of the children; None: the one they find themselves.
        command: what a slot runs; None: `collect`.

    Raises:
        ConfigError: the cron expression or its zone cannot be read.
        StoreError: the database cannot be opened or made.
    """

    def __init__(self, settings: Settings, config: Path | None, command: Sequence[str] | None = None) -> None:
        self._settings = settings
        with open_reader(settings.database.url) as connection:
            newest = last(connection)
        zone = _zone(settings.schedule.timezone)
        when = timetable(settings.schedule, zone, datetime.now(UTC), newest.started_at if newest else None)
        deadline_s = settings.collect.timeout_s + BESIDE_THE_ENGINE_S
        self._child = Child(command or collect_command(config), deadline_s)
        self._schedule = Schedule(when, self._test, self._record)
        self.start = self._schedule.start
        self.wake = self._schedule.wake
        self.next_slot = self._schedule.next_slot

    def stop(self) -> None:
        """Start no further test and ask a running one to end; does not wait."""
        self._child.stop()
        self._schedule.stop()

    def finish(self, seconds: float) -> None:
        """Wait so many seconds for a running test to end, then kill it."""
        if not self._child.wait(seconds):
            log.error("the running test did not end in time and was killed")
            self._child.kill()

    def _test(self) -> None:
        """Run one test; what it did not record itself is raised, and so becomes a gap."""
        began = datetime.now(UTC).replace(microsecond=0)
        try:
            self._child.run()
        except SpeedmonError as error:
            if not self._has_run_since(began):
                raise
            log.error("scheduled test: %s", error)  # noqa: TRY400  one line, no traceback

    def _has_run_since(self, moment: datetime) -> bool:
        with open_reader(self._settings.database.url) as connection:
            newest = last(connection)
        return newest is not None and newest.started_at >= moment

    def _record(self, gap: Gap) -> None:
        log.warning("schedule: %s", gap.message())
        run = as_run(gap, self._settings, str(uuid.uuid4()))
        try:
            with open_writer(self._settings.database.url) as connection:
                add(connection, Attempt(run))
        except SpeedmonError as error:
            log.error("schedule: this gap could not be stored: %s", error)  # noqa: TRY400  one line, no traceback


def _zone(name: str) -> ZoneInfo:
    try:
        return resolve(name)
    except ConfigError as error:
        raise ConfigError(f"schedule.timezone: unknown time zone {name!r} (a name such as Europe/Berlin)") from error
