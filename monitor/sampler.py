"""Reads the counters at a steady pace while a test runs; `monitor.account` makes sense of them afterwards."""

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

# An hour of readings, four a second; a test that takes longer keeps its first hour.
MOST_READINGS = 14_400


class Sampler:
    """Gathers readings of some links; `watch` hears of each."""

    def __init__(self, links: Links, watch: Callable[[list[Reading]], None] = lambda _: None) -> None:
        self._links = links
        self._watch = watch
        self._readings: list[Reading] = []

    @property
    def beat(self) -> Beat:
        """What `monitor.process.run` is to do while the test runs."""
        return Beat(self.take, INTERVAL_MS / 1000)

    def take(self) -> None:
        """Read the counters once."""
        if len(self._readings) < MOST_READINGS:
            self._readings.append(counters.read(self._links, time.monotonic()))
            self._watch(self._readings)

    def account(self) -> Account:
        """Read a last time and return the account of the whole test."""
        from monitor.account import account  # noqa: PLC0415  only after the engine has ended

        self.take()
        return account(self._readings)
