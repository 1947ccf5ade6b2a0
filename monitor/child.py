"""`speedmon collect` as a child process of the daemon; it can be ended from another thread.

The child records the result of the test. Only what it could not record itself is raised here.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from monitor.errors import SpeedmonError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

log = logging.getLogger(__name__)

MEASURED = 0
RECORDED = frozenset({3, 4, 5, 6})
"""Exit codes of a test that failed, was skipped, had no namespace or no permission: the child wrote the row."""
TAIL = 4096


def speedmon(config: Path | None, *arguments: str) -> list[str]:
    """Return the command line of this speedmon, with the given configuration file.

    `-P` keeps the working directory off the module path: it may contain a folder called `monitor`.
    """
    named = ["--config", str(config)] if config else []
    return [sys.executable, "-P", "-m", "monitor", *named, *arguments]


class Child:
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
                self._judge(self._wait(process), last_line(stderr))

    def stop(self) -> None:
        """Ask a running child to end, and start no further one; does not wait."""
        with self._lock:
            self._stopping = True
            if self._process is not None:
                self._process.terminate()

    def wait(self, seconds: float) -> bool:
        """Wait for a running child to end; return whether none is running."""
        return self._idle.wait(seconds)

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

    def _judge(self, code: int, message: str) -> None:
        if code == MEASURED or self._stopping:
            return
        if code not in RECORDED:
            raise SpeedmonError(f"the test {ending(code)} without a result: {message or 'no error message'}")
        log.warning("scheduled test: %s", message or f"exit {code}")


def ending(code: int) -> str:
    """Return how a child ended, given the return code of `subprocess`."""
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit {code}"


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a child and the process group that it leads."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def last_line(file: IO[bytes]) -> str:
    """Return the last line that a child wrote, without the prefix "speedmon: "."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - TAIL))
    lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("speedmon: ") if lines else ""
