"""The children of the daemon: a test, and low-priority work that pauses during a test.

Both can be ended from another thread. A test records its own result, and only what it could not record is raised here.
Other commands must not disturb a test: they run at the lowest priority and are stopped while one runs. Errors raised
here are reported by the caller.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from monitor.errors import SpeedmonError
from monitor.model import NetworkPath

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from monitor.config.settings import Settings


EXIT_MEASURED = 0

# Exit codes of a test that failed, was skipped, had no namespace or no permission: the child stored the run.
EXITS_RECORDED = frozenset({3, 4, 5, 6})

# How much of what a child wrote is read to find its last line.
TAIL_BYTES = 4096

LOWEST_PRIORITY = 19

# How soon a test that starts is noticed while a command runs, and one that ends while a command waits.
TICK_S = 0.2
POLL_S = 1.0

# Others may read the files that a command makes.
UMASK = 0o022

# Set in the unit of the daemon, which has no way into the namespace itself.
SOCKET_VARIABLE = "SPEEDMON_COLLECT_SOCKET"

# What an attempt needs besides the engine: checks, a list of servers, the diagnosis of a failure, storing.
OVERHEAD_S = 120

_log = logging.getLogger(__name__)


def speedmon_command(config: Path | None, *arguments: str) -> list[str]:
    """Return the command line of this speedmon, with the given configuration file.

    `-P` keeps the working directory off the module path: it may contain a folder called `monitor`.
    """
    config_option = ["--config", str(config)] if config else []
    return [sys.executable, "-P", "-m", "monitor", *config_option, *arguments]


def collect_command(settings: Settings, config: Path | None, environ: Mapping[str, str], *arguments: str) -> list[str]:
    """Return the command line that runs a test: here, or by `speedmon-collect` where its socket is named.

    A test over the host's own path needs no namespace, and is run here.
    """
    asked = environ.get(SOCKET_VARIABLE)
    if not asked or settings.collect.path != NetworkPath.IP4ONLY.value:
        return speedmon_command(config, "collect", *arguments)
    return [sys.executable, "-P", "-m", "monitor.scheduler.relay", "ask", asked, *arguments]


def max_duration_s(settings: Settings) -> int:
    """Return the seconds after which all attempts of any request are over."""
    attempt_s = settings.cross.wait_s + settings.collect.timeout_s + OVERHEAD_S
    return settings.retry.attempts * attempt_s + (settings.retry.attempts - 1) * settings.retry.confirm_s


class ScheduledTest:
    """Runs a command, one at a time; `stop` and `kill` may be called from any thread.

    Args:
        command: the program and its arguments.
        deadline_s: seconds after which a child is considered stuck and killed.
    """

    def __init__(self, command: Sequence[str], deadline_s: float) -> None:
        self._command = list(command)
        self._deadline_s = deadline_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._idle = threading.Event()
        self._idle.set()

    def run(self) -> None:
        """Run the command to its end; does nothing after `stop`.

        Raises:
            SpeedmonError: it could not be started, was stuck, or ended without recording a run.
        """
        with tempfile.TemporaryFile() as stderr:
            process = self._start(stderr)
            if process is not None:
                self._check_exit(self._wait(process), last_line(stderr))

    def stop(self) -> None:
        """Ask a running child to end, and start no further one; does not wait."""
        with self._lock:
            self._stopping = True
            if self._process is not None:
                self._process.terminate()

    def wait(self, seconds: float) -> bool:
        """Wait for a running child to end; return whether none is running."""
        return self._idle.wait(seconds)

    def is_running(self) -> bool:
        """Return whether a child is running."""
        return not self._idle.is_set()

    def kill(self) -> None:
        """Kill a running child and its process group."""
        with self._lock:
            if self._process is not None:
                kill_group(self._process)

    def _start(self, stderr: IO[bytes]) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._stopping:
                return None
            try:
                # A session of its own: Ctrl-C reaches the daemon, which then ends the child in order.
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                    start_new_session=True,
                )
            except OSError as error:
                raise SpeedmonError(f"the test could not be started: {error.strerror}: {self._command[0]}") from error
            self._idle.clear()
            return self._process

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        try:
            return process.wait(self._deadline_s)
        except subprocess.TimeoutExpired as error:
            kill_group(process)
            process.wait()
            raise SpeedmonError(f"the test was stuck and was killed after {self._deadline_s:.0f} s") from error
        finally:
            with self._lock:
                self._process = None
                self._idle.set()

    def _check_exit(self, code: int, message: str) -> None:
        if code == EXIT_MEASURED or self._stopping:
            return
        if code not in EXITS_RECORDED:
            raise SpeedmonError(f"the test {describe_exit(code)} without a result: {message or 'no error message'}")
        _log.warning("scheduled test: %s", message or f"exit {code}")


class LowPriorityRunner:
    """Runs commands one at a time; `stop` and `wait` may be called from any thread.

    Args:
        is_test_running: returns whether a test is running on this machine.
        deadline_s: seconds, not counting pauses, after which a command is considered stuck and killed.
        patience_s: the longest time in seconds to wait for a test to end.
    """

    def __init__(self, is_test_running: Callable[[], bool], deadline_s: float, patience_s: float) -> None:
        self._is_test_running = is_test_running
        self._deadline_s = deadline_s
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._idle = threading.Event()
        self._idle.set()

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    def run(self, command: Sequence[str]) -> None:
        """Run a command to its end; does nothing after `stop`.

        Raises:
            SpeedmonError: it could not be started, was stuck or failed, or a test did not end.
        """
        self._wait_for_test()
        with tempfile.TemporaryFile() as stderr:
            process = self._start(command, stderr)
            if process is None:
                return
            code = self._follow(process)
            if code and not self.stopping:
                raise SpeedmonError(f"{last_line(stderr) or 'no error message'} ({describe_exit(code)})")

    def stop(self) -> None:
        """Kill a running command, and start no further one."""
        with self._lock:
            self._stopping.set()
            if self._process is not None:
                kill_group(self._process)

    def wait(self, seconds: float) -> bool:
        """Wait for a running command to end; return whether none is running."""
        return self._idle.wait(seconds)

    def _wait_for_test(self) -> None:
        until = time.monotonic() + self._patience_s
        while self._is_test_running() and not self._stopping.wait(POLL_S):
            if time.monotonic() > until:
                raise SpeedmonError(f"not made, because a test has been running for {self._patience_s:.0f} s")

    def _start(self, command: Sequence[str], stderr: IO[bytes]) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self.stopping:
                return None
            try:
                # A process group of its own, but not a session: if we are killed while it is stopped, the kernel ends
                # it. The umask lets others read what it writes.
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                    process_group=0,
                    umask=UMASK,
                )
            except OSError as error:
                raise SpeedmonError(f"could not be started: {error.strerror}: {command[0]}") from error
            os.setpriority(os.PRIO_PROCESS, process.pid, LOWEST_PRIORITY)
            self._process = process
            self._idle.clear()
            return process

    def _follow(self, process: subprocess.Popen[bytes]) -> int:
        try:
            return self._wait_for_end(process)
        except BaseException:
            kill_group(process)
            process.wait()
            raise
        finally:
            with self._lock:
                self._process = None
                self._idle.set()

    def _wait_for_end(self, process: subprocess.Popen[bytes]) -> int:
        for _ in range(max(1, round(self._deadline_s / TICK_S))):
            try:
                return process.wait(TICK_S)
            except subprocess.TimeoutExpired:
                self._pause_during_test(process)
        raise SpeedmonError(f"was stuck and was killed after {self._deadline_s:.0f} s")

    def _pause_during_test(self, process: subprocess.Popen[bytes]) -> None:
        """Pause the command while a test runs."""
        if self._is_test_running():
            os.killpg(process.pid, signal.SIGSTOP)
            self._wait_for_test()
            os.killpg(process.pid, signal.SIGCONT)


def describe_exit(code: int) -> str:
    """Return how a child ended, given the return code of `subprocess`."""
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit {code}"


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a child and the process group that it leads."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def last_line(file: IO[bytes]) -> str:
    """Return the last line that a child wrote, without the prefix "speedmon: "."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - TAIL_BYTES))
    lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("speedmon: ") if lines else ""
