"""Scheduled tests: each slot runs `collect` as a child process; a slot without a test is stored as a skipped run.

Connects schedule, child and store, and ends them in order within the time that the caller allows.
"""

from __future__ import annotations

import logging
import os
import subprocess
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from monitor.config.paths import state_dir
from monitor.errors import SpeedmonError
from monitor.localtime import resolve_zone
from monitor.model import Attempt
from monitor.scheduler.schedule import SlotScheduler, make_timetable, to_skipped_run
from monitor.scheduler.subprocesses import ScheduledTest, collect_command, max_duration_s, speedmon_command
from monitor.store import spool
from monitor.store.connection import is_schema_current, open_reader
from monitor.store.deliver import deliver_attempt
from monitor.store.read import last_run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from monitor.config.settings import Settings
    from monitor.scheduler.schedule import MissedSlots


COLLECT_ARGUMENTS = ("-q", "--trigger", "schedule")

# Any command that reads the store creates it, or upgrades it if that is quick; `db upgrade` might take minutes.
READ_ARGUMENTS = ("history", "--days", "1")

UPGRADE_DEADLINE_S = 60

_log = logging.getLogger(__name__)


class Daemon:
    """Runs tests on the schedule of the settings until it is stopped.

    Args:
        settings: all settings.
        config: the configuration file for the children; None: they look for it themselves.
        command: what a slot runs; None: `collect`.

    Raises:
        ConfigError: the cron expression or its zone cannot be read.
        StoreError: the database cannot be opened or made.
    """

    def __init__(self, settings: Settings, config: Path | None, command: Sequence[str] | None = None) -> None:
        self._settings = settings
        self._spool = state_dir(os.environ, os.geteuid()) / "spool"
        with open_reader(settings.database.url) as connection:
            newest = last_run(connection)
        zone = resolve_zone(settings.schedule.timezone, "schedule.timezone")
        timetable = make_timetable(settings.schedule, zone, datetime.now(UTC), newest.started_at if newest else None)
        run_test = command or collect_command(settings, config, os.environ, *COLLECT_ARGUMENTS)
        self._child = ScheduledTest(run_test, max_duration_s(settings))
        self._schedule = SlotScheduler(timetable, self._run_test, self._record)
        self.start = self._schedule.start
        self.wake = self._schedule.wake
        self.next_slot = self._schedule.next_slot

    def stop(self) -> None:
        """Start no further test and ask a running one to end; does not wait."""
        self._child.stop()
        self._schedule.stop()

    def finish(self, seconds: float) -> None:
        """Wait at most `seconds` for a running test to end, then kill it."""
        if not self._child.wait(seconds):
            _log.error("the running test did not end in time and was killed")
            self._child.kill()

    def _run_test(self) -> None:
        """Run one test; an error that the child did not record is raised, and so stored as a missed slot."""
        began = datetime.now(UTC).replace(microsecond=0)
        try:
            self._child.run()
        except SpeedmonError as error:
            if not self._is_recorded(began):
                raise
            _log.error("scheduled test: %s", error)

    def _is_recorded(self, began: datetime) -> bool:
        """Return whether a run that started since then is stored or waits in the spool."""
        waiting = spool.open_spool(self._spool, self._settings.database.url)
        spooled_runs = (attempt.run for folder in waiting.folders for _, attempt in spool.load_attempts(folder))
        if any(run.started_at >= began for run in spooled_runs):
            return True
        with open_reader(self._settings.database.url) as connection:
            newest = last_run(connection)
        return newest is not None and newest.started_at >= began

    def _record(self, missed: MissedSlots) -> None:
        _log.warning("schedule: %s", missed.message())
        run = to_skipped_run(missed, self._settings, str(uuid.uuid4()))
        try:
            deliver_attempt(Attempt(run), self._settings.database.url, self._spool)
        except SpeedmonError as error:
            _log.error("schedule: %s", error)


def prepare_database(url: str, config: Path | None) -> None:
    """Create or upgrade the database in a child process: Alembic would stay in our memory for good.

    Errors are ignored here: whoever opens the store next reports them.
    """
    if is_schema_current(url):
        return
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(
            speedmon_command(config, *READ_ARGUMENTS),
            env={**os.environ, "SPEEDMON_DATABASE_URL": url},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=UPGRADE_DEADLINE_S,
            check=False,
        )
