"""Starts the notifier as a process of its own once a run is stored. Light: `collect` imports it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOWEST_PRIORITY = 19

# How long the main process of a systemd unit waits for it: systemd kills what a unit leaves behind.
UNIT_WAIT_S = 120


def notifier_command(config: Path | None) -> list[str]:
    """Return the command line of the notifier, with the given configuration file."""
    option = ["--config", str(config.absolute())] if config else []
    # -P keeps the working directory off the module path.
    return [sys.executable, "-P", "-m", "monitor", *option, "notify", "run", "-q"]


def start_notifier(config: Path | None, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start the notifier, and do not wait for it, unless this process is the main one of a systemd unit.

    Raises:
        OSError: it cannot be started.
    """
    process = subprocess.Popen(
        notifier_command(config),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=dict(environ),
    )
    with suppress(OSError):  # it has ended already
        os.setpriority(os.PRIO_PROCESS, process.pid, LOWEST_PRIORITY)
    if environ.get("SYSTEMD_EXEC_PID") == str(os.getpid()):
        with suppress(subprocess.TimeoutExpired):
            process.wait(UNIT_WAIT_S)
    return process
