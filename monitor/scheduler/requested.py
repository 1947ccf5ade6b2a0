"""Tests that a person asks for on the page: one at a time, beside the schedule, cancelled at will.

Like those of the schedule, each is a `collect` of its own, which takes the lock of the machine and stores its row. The
id of the row is known before.
"""

from __future__ import annotations

import logging
import os
import threading
import uuid
from typing import TYPE_CHECKING

from monitor.errors import SpeedmonError
from monitor.scheduler.subprocesses import ScheduledTest, collect_command, max_duration_s
from monitor.store.connection import is_schema_current, open_reader
from monitor.store.read import stored_ids
from monitor.system.lock import is_held

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from monitor.config.settings import Settings


ARGUMENTS = ("-q", "--trigger", "web", "--run-id")

# A `collect` that is ended while it starts has nothing to store.
CANCELLED_EARLY = "the test was cancelled before it began"

_log = logging.getLogger(__name__)


class TestRunningError(SpeedmonError):
    """A test is running on this machine, so that no other is started; retryable."""

    __test__ = False
    retryable = True


class RequestedTests:
    """Runs the tests that are asked for; its methods may be called from any thread.

    Args:
        settings: all settings.
        config: the configuration file for the children; None: they look for it themselves.
        command_of: returns what runs a test whose row gets an id; None: `collect`.
    """

    def __init__(
        self, settings: Settings, config: Path | None, command_of: Callable[[str], Sequence[str]] | None = None
    ) -> None:
        self._settings = settings
        self._command_of = command_of or (
            lambda run_id: collect_command(settings, config, os.environ, *ARGUMENTS, run_id)
        )
        self._lock = threading.Lock()
        self._test: ScheduledTest | None = None
        self._run_id: str | None = None
        self._is_stopped = self._is_cancelled = False
        self._problem = ""

    @property
    def current(self) -> str | None:
        """The id of the row that the running test will have; None if none of these tests is running."""
        return self._run_id

    @property
    def problem(self) -> str:
        """Why the last test ended without a row; empty if it has one."""
        return self._problem

    def request(self) -> str:
        """Start a test; return the id that its row will have.

        Raises:
            TestRunningError: a test is running, or the daemon is about to end.
            UsageError: it cannot be found out whether one is.
        """
        with self._lock:
            if self._is_stopped:
                raise TestRunningError("speedmon serve is about to end: try again later")
            if self._test is not None:
                raise TestRunningError(f"a test that was started on the page is running: {self._run_id}")
            if is_held(self._settings.collect.lock_file):
                raise TestRunningError("a test of the schedule or of another program is running: try again after it")
            run_id = str(uuid.uuid4())
            self._test = ScheduledTest(self._command_of(run_id), max_duration_s(self._settings))
            self._run_id, self._problem, self._is_cancelled = run_id, "", False
            threading.Thread(target=self._run, args=(self._test, run_id), name="requested test", daemon=True).start()
            return run_id

    def cancel(self) -> str | None:
        """Ask the running test to end, which stores it as interrupted; return its id, None if there is none."""
        with self._lock:
            if self._test is not None:
                self._is_cancelled = True
                self._test.stop()
            return self._run_id

    def start(self) -> None:
        """Do nothing: tests start when they are asked for."""

    def wake(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Start no further test, and ask a running one to end; does not wait."""
        with self._lock:
            self._is_stopped = True
        self.cancel()

    def finish(self, seconds: float) -> None:
        """Wait at most `seconds` for a running test to end, then kill it."""
        test = self._test
        if test is not None and not test.wait(seconds):
            _log.error("the running test did not end in time and was killed")
            test.kill()

    def _is_stored(self, run_id: str) -> bool:
        url = self._settings.database.url
        if not is_schema_current(url):
            return False
        with open_reader(url) as connection:
            return bool(stored_ids(connection, [run_id]))

    def _run(self, test: ScheduledTest, run_id: str) -> None:
        problem = ""
        try:
            test.run()
            if self._is_cancelled and not self._is_stopped and not self._is_stored(run_id):
                problem = CANCELLED_EARLY
        except SpeedmonError as error:
            problem = str(error)
            _log.error("test %s, asked for on the page: %s", run_id, error)
        with self._lock:
            self._test, self._run_id, self._problem = None, None, problem
