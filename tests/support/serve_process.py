"""Starts and ends `speedmon serve` as a process."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

DEADLINE_S = 180

SPEEDMON = Path(sys.executable).parent / "speedmon"


@contextmanager
def serving(
    environ: dict[str, str], *options: str, program: Sequence[str | Path] = (SPEEDMON,)
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the daemon and yield it with the URL that it printed; it is killed at the end."""
    process = subprocess.Popen(
        [*program, "serve", *options], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        line = process.stdout.readline()
        announced = re.fullmatch(r"speedmon: serving (http://[\d.]+:\d+/)\n", line)
        if announced is None:
            process.kill()
            raise AssertionError((line, process.communicate()))
        yield process, announced[1]
    finally:
        process.kill()
        process.communicate()


def end_daemon(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> tuple[int, float, str]:
    """Send a signal; return exit code, seconds until the exit, and stderr."""
    began = time.monotonic()
    process.send_signal(number)
    _, stderr = process.communicate(timeout=DEADLINE_S)
    return process.returncode, time.monotonic() - began, stderr


def wait_for(condition: Callable[[], bool], seconds: float = DEADLINE_S) -> None:
    """Wait until a condition holds; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.02)
