"""Scheduled tests: each slot runs `collect` as a child process; a slot without a test is stored as a skipped run.

Connects schedule, child and store, and ends them in order within the time that the caller allows.
"""

from __future__ import annotations

import logging
import os
import subprocess
import threading
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from monitor.config.paths import state_dir
from monitor.errors import SpeedmonError, StateFileError
from monitor.localtime import resolve_zone
from monitor.model import Attempt
from monitor.scheduler.schedule import STILL_RUNNING, SlotScheduler, make_timetable, to_skipped_run
from monitor.scheduler.subprocesses import ScheduledTest, collect_command, max_duration_s, speedmon_command
from monitor.store import spool
from monitor.store.connection import is_schema_current, open_reader
from monitor.store.database_file import directory_of
from monitor.store.deliver import deliver_attempt
from monitor.store.read import last_run
from monitor.system import files, state_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from monitor.config.settings import ScheduleSettings, Settings
    from monitor.scheduler.schedule import MissedSlots


COLLECT_ARGUMENTS = ("-q", "--trigger", "schedule")

# Any command that reads the store creates it, or upgrades it if that is quick; `db upgrade` might take minutes.
READ_ARGUMENTS = ("history", "--days", "1")

UPGRADE_DEADLINE_S = 60

# Beside the database: when the last test of each named schedule began.
STARTS_FILE = "schedules.json"

LIMIT_BYTES = 65_536

_log = logging.getLogger(__name__)


class Daemon:
    """Runs tests on the schedules of the settings until it is stopped. No two tests of it run at once.

    Args:
        settings: all settings.
        config: the configuration file for the children; None: they look for it themselves.
        command: what a slot runs; None: `collect`.

    Raises:
        ConfigError: a cron expression or its zone cannot be read.
        StoreError: the database cannot be opened or made.
    """

    def __init__(self, settings: Settings, config: Path | None, command: Sequence[str] | None = None) -> None:
        self._config, self._command = config, command
        self._turn = threading.Lock()
        self._runners = self._make_runners(settings, {})
        self._retired: list[ScheduleRunner] = []
        self._started = False

    def start(self) -> None:
        """Start the schedules, each in threads of its own."""
        self._started = True
        for runner in self._runners.values():
            runner.slots.start()

    def wake(self) -> None:
        """Look at the clock now; see `SlotScheduler.wake`."""
        for runner in self._runners.values():
            runner.slots.wake()

    def next_slot(self) -> datetime | None:
        """Return when the next test is due; None if no test is."""
        slots = (runner.slots.next_slot() for runner in self._runners.values())
        return min((slot for slot in slots if slot is not None), default=None)

    def reload(self, settings: Settings) -> None:
        """Keep the schedules of other settings from now on; one that did not change goes on, as does a running test.

        Raises:
            ConfigError, StoreError: as when it is made; everything stays as it was then.
        """
        before = self._runners
        runners = self._make_runners(settings, before)
        dropped = [runner for name, runner in before.items() if runners.get(name) is not runner]
        self._runners = runners
        self._retired = [*(runner for runner in self._retired if runner.child.is_running()), *dropped]
        for runner in dropped:
            runner.slots.stop()
        for name, runner in runners.items():
            if self._started and runner is not before.get(name):
                runner.slots.start()

    def stop(self) -> None:
        """Start no further test and ask a running one to end; does not wait."""
        for runner in self._runners.values():
            runner.slots.stop()
        for runner in [*self._runners.values(), *self._retired]:
            runner.child.stop()

    def finish(self, seconds: float) -> None:
        """Wait at most `seconds` for a running test to end, then kill it."""
        until = time.monotonic() + seconds
        for runner in [*self._runners.values(), *self._retired]:
            runner.finish(max(0.0, until - time.monotonic()))

    def _make_runners(self, settings: Settings, before: Mapping[str, ScheduleRunner]) -> dict[str, ScheduleRunner]:
        """Return a runner for each schedule, by name; one of `before` whose settings are the same is kept."""
        runners = {}
        for schedule in settings.schedules:
            of_schedule = settings.with_schedule(schedule)
            runner = before.get(schedule.name)
            if runner is None or runner.settings != of_schedule:
                command = self._command or collect_command(of_schedule, self._config, os.environ, *_arguments(schedule))
                began = runner.began if runner else None
                runner = ScheduleRunner(of_schedule, command, self._turn, began)
            runners[schedule.name] = runner
        return runners


def _arguments(schedule: ScheduleSettings) -> tuple[str, ...]:
    return (*COLLECT_ARGUMENTS, "--schedule", schedule.name) if schedule.name else COLLECT_ARGUMENTS


class ScheduleRunner:
    """Runs the tests of one schedule, each when it has its turn.

    Args:
        settings: the settings of its tests.
        command: what a slot runs.
        turn: held while a test of any schedule runs.
        began: when its last test began, if it has just been replaced.
    """

    def __init__(
        self, settings: Settings, command: Sequence[str], turn: threading.Lock, began: datetime | None
    ) -> None:
        self.settings = settings
        self.began = began
        self._turn = turn
        self._state_dir = state_dir(os.environ, os.geteuid())
        zone = resolve_zone(settings.schedule.timezone, "schedule.timezone")
        last = max(filter(None, (last_test(settings), began)), default=None)
        self._timetable = make_timetable(settings.schedule, zone, datetime.now(UTC), last)
        self.child = ScheduledTest(command, max_duration_s(settings))
        self.slots = SlotScheduler(self._timetable, self._run_test, self._record)

    def finish(self, seconds: float) -> None:
        """Wait at most `seconds` for a running test to end, then kill it."""
        if not self.child.wait(seconds):
            _log.error("the running test did not end in time and was killed")
            self.child.kill()

    def _run_test(self) -> None:
        """Run one test; an error that the child did not record is raised, and so stored as a missed slot."""
        if not self._turn.acquire(timeout=self._timetable.grace_s):
            raise SpeedmonError(STILL_RUNNING)
        try:
            self._run_child()
        finally:
            self._turn.release()

    def _run_child(self) -> None:
        began = self.began = datetime.now(UTC).replace(microsecond=0)
        if self.settings.schedule.name:
            note_start(_starts_folder(self.settings), self.settings.schedule.name, began)
        try:
            self.child.run()
        except SpeedmonError as error:
            if not self._is_recorded(began):
                raise
            _log.error("scheduled test: %s", error)

    def _is_recorded(self, began: datetime) -> bool:
        """Return whether a run that started since then is stored or waits in the spool."""
        waiting = spool.open_spool(self._state_dir / "spool", self.settings.database.url)
        spooled_runs = (attempt.run for folder in waiting.folders for _, attempt in spool.load_attempts(folder))
        if any(run.started_at >= began for run in spooled_runs):
            return True
        with open_reader(self.settings.database.url) as connection:
            newest = last_run(connection)
        return newest is not None and newest.started_at >= began

    def _record(self, missed: MissedSlots) -> None:
        _log.warning("schedule: %s", missed.message(self.settings.schedule.name))
        run = to_skipped_run(missed, self.settings, str(uuid.uuid4()))
        try:
            deliver_attempt(Attempt(run), self.settings.database.url, self._state_dir / "spool")
        except SpeedmonError as error:
            _log.error("schedule: %s", error)


def last_test(settings: Settings) -> datetime | None:
    """Return when the last test of a schedule began; of a single schedule, that is the newest run."""
    if name := settings.schedule.name:
        noted = load_starts(_starts_folder(settings)).get(name)
        return datetime.fromtimestamp(noted, UTC) if noted else None
    with open_reader(settings.database.url) as connection:
        newest = last_run(connection)
    return newest.started_at if newest else None


def _starts_folder(settings: Settings) -> Path:
    """Return the folder of the database: all who read it know when tests began."""
    return directory_of(settings.database.url) or state_dir(os.environ, os.geteuid())


def load_starts(folder: Path) -> dict[str, int]:
    """Return when the last test of each named schedule began, in epoch seconds; nothing where that cannot be read."""
    try:
        return msgspec.json.decode(state_files.read_file(folder / STARTS_FILE, LIMIT_BYTES), type=dict[str, int])
    except (OSError, StateFileError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def note_start(folder: Path, name: str, began: datetime) -> None:
    """Note when a test of a schedule begins, for the next start of the daemon; a test does not fail because of it."""
    starts = load_starts(folder) | {name: int(began.timestamp())}
    try:
        files.make_folder(folder, 0o700)
        files.replace_file(folder / STARTS_FILE, msgspec.json.encode(starts), mode=0o644, sync=False)
    except OSError as error:
        _log.warning("%s: cannot be written: %s", folder / STARTS_FILE, error.strerror)


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
