"""Reads the counters at regular intervals while a test runs; `monitor.account` evaluates them afterwards."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from monitor import counters
from monitor.counters import INTERVAL_MS
from monitor.process import Beat

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.account import Account
    from monitor.counters import Links, Reading

# An hour of readings, four a second; of a longer test the first hour is kept.
MOST_READINGS = 14_400


class Sampler:
    """Collects readings of some links; `report` is called with all of them after each one."""

    def __init__(self, links: Links, report: Callable[[list[Reading]], None] = lambda _: None) -> None:
        self._links = links
        self._report = report
        self._readings: list[Reading] = []

    @property
    def periodic_task(self) -> Beat:
        """What `monitor.process.run` repeats while the test runs."""
        return Beat(self.sample, INTERVAL_MS / 1000)

    def sample(self) -> None:
        """Read the counters once."""
        if len(self._readings) < MOST_READINGS:
            self._readings.append(counters.read(self._links, time.monotonic()))
            self._report(self._readings)

    def summarize(self) -> Account:
        """Take a last reading and return what was counted during the test."""
        from monitor.account import account  # noqa: PLC0415  only after the engine has ended

        self.sample()
        return account(self._readings)
