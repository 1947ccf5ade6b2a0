"""Runs commands so that they disturb no test: at the lowest priority, and paused while a test runs.

Errors raised here are reported by the caller.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from typing import IO, TYPE_CHECKING

from monitor.child import ending, kill_group, last_line
from monitor.errors import SpeedmonError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LOWEST = 19
# How soon a test that starts is noticed while a command runs, and one that ends while a command waits.
TICK_S = 0.2
LOOK_S = 1.0
READABLE = 0o022


class Niced:
    """Runs commands one at a time; `stop` and `wait` may be called from any thread.

    Args:
        busy: returns whether a test is running on this machine.
        deadline_s: seconds, not counting pauses, after which a command is considered stuck and killed.
        patience_s: the longest time in seconds to wait for a test to end.
    """

    def __init__(self, busy: Callable[[], bool], deadline_s: float, patience_s: float) -> None:
        self._busy = busy
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
        self._wait_for_quiet()
        with tempfile.TemporaryFile() as stderr:
            process = self._start(command, stderr)
            if process is None:
                return
            code = self._follow(process)
            if code and not self.stopping:
                raise SpeedmonError(f"{last_line(stderr) or 'no error message'} ({ending(code)})")

    def stop(self) -> None:
        """Kill a running command, and start no further one."""
        with self._lock:
            self._stopping.set()
            if self._process is not None:
                kill_group(self._process)

    def wait(self, seconds: float) -> bool:
        """Wait for a running command to end; return whether none is running."""
        return self._idle.wait(seconds)

    def _wait_for_quiet(self) -> None:
        until = time.monotonic() + self._patience_s
        while self._busy() and not self._stopping.wait(LOOK_S):
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
                    umask=READABLE,
                )
            except OSError as error:
                raise SpeedmonError(f"could not be started: {error.strerror}: {command[0]}") from error
            os.setpriority(os.PRIO_PROCESS, process.pid, LOWEST)
            self._process = process
            self._idle.clear()
            return process

    def _follow(self, process: subprocess.Popen[bytes]) -> int:
        try:
            return self._to_the_end(process)
        except BaseException:
            kill_group(process)
            process.wait()
            raise
        finally:
            with self._lock:
                self._process = None
                self._idle.set()

    def _to_the_end(self, process: subprocess.Popen[bytes]) -> int:
        for _ in range(max(1, round(self._deadline_s / TICK_S))):
            try:
                return process.wait(TICK_S)
            except subprocess.TimeoutExpired:
                self._stand_still(process)
        raise SpeedmonError(f"was stuck and was killed after {self._deadline_s:.0f} s")

    def _stand_still(self, process: subprocess.Popen[bytes]) -> None:
        """Pause the command while a test runs."""
        if self._busy():
            os.killpg(process.pid, signal.SIGSTOP)
            self._wait_for_quiet()
            os.killpg(process.pid, signal.SIGCONT)
