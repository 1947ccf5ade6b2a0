"""Scheduled tests: each slot runs `collect` as a child process, and a slot without a test becomes a row.

Puts together the schedule, the child and the store; ends them in order within the time its caller gives.
"""

from __future__ import annotations

import logging
import os
import subprocess
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from monitor import spool
from monitor.child import Child, speedmon
from monitor.errors import SpeedmonError
from monitor.gap import as_run
from monitor.model import Attempt
from monitor.paths import state_dir
from monitor.retry import longest_s
from monitor.schedule import Schedule, timetable
from monitor.store.keep import keep
from monitor.store.open import is_current, open_reader
from monitor.store.read import last
from monitor.zone import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from monitor.gap import Gap
    from monitor.settings import Settings

log = logging.getLogger(__name__)

COLLECT = ("collect", "-q", "--trigger", "schedule")
# Whatever reads the store makes it, or upgrades it where that is quick; `db upgrade` might take minutes.
READ = ("history", "--days", "1")
UPGRADE_DEADLINE_S = 60


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
        self._spool = state_dir(os.environ, os.geteuid()) / "spool"
        with open_reader(settings.database.url) as connection:
            newest = last(connection)
        zone = resolve(settings.schedule.timezone, "schedule.timezone")
        when = timetable(settings.schedule, zone, datetime.now(UTC), newest.started_at if newest else None)
        self._child = Child(command or speedmon(config, *COLLECT), longest_s(settings))
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
            if not self._is_recorded(began):
                raise
            log.error("scheduled test: %s", error)  # noqa: TRY400  one line, no traceback

    def _is_recorded(self, began: datetime) -> bool:
        """Tell whether a run that started since then is stored, or waits in the spool to be stored."""
        waiting = (attempt.run for folder in self._spools() for _, attempt in spool.load_all(folder))
        if any(run.started_at >= began for run in waiting):
            return True
        with open_reader(self._settings.database.url) as connection:
            newest = last(connection)
        return newest is not None and newest.started_at >= began

    def _spools(self) -> list[Path]:
        fallback = spool.fallback_dir(os.geteuid())
        return [self._spool, *([fallback] if spool.is_private(fallback) else [])]

    def _record(self, gap: Gap) -> None:
        log.warning("schedule: %s", gap.message())
        run = as_run(gap, self._settings, str(uuid.uuid4()))
        try:
            keep(Attempt(run), self._settings.database.url, self._spool)
        except SpeedmonError as error:
            log.error("schedule: %s", error)  # noqa: TRY400  one line, no traceback


def make_store(url: str, config: Path | None) -> None:
    """Make the database, or bring it up to date, in a child: alembic would stay in our memory for good.

    What goes wrong is told by the first to open the store.
    """
    if is_current(url):
        return
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(
            speedmon(config, *READ),
            env={**os.environ, "SPEEDMON_DATABASE_URL": url},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=UPGRADE_DEADLINE_S,
            check=False,
        )
