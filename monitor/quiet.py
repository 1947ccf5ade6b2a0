"""Wait for a quiet line before a test: traffic of others falsifies the result, and the test slows it down."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from monitor import counters

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.counters import Links, Reading
    from monitor.interrupts import Interrupts
    from monitor.settings import Cross

LOOK_S = 1.0
BITS_EACH = 8


def wait(
    links: Links,
    settings: Cross,
    interrupts: Interrupts,
    *,
    interval_s: float = LOOK_S,
    read: Callable[[Links, float], Reading] = counters.read,
) -> float:
    """Wait until the uplink is quiet, or for as long as the settings allow; return the seconds waited."""
    started_s = time.monotonic()
    if not settings.wait_s or links.uplink is None:
        return 0.0
    before = read(links, started_s)
    while interrupts.wait(interval_s):
        now = read(links, time.monotonic())
        if busiest_bps(before, now) < settings.quiet_mbps * 1e6 or now.at_s - started_s >= settings.wait_s:
            break
        before = now
    return time.monotonic() - started_s


def busiest_bps(before: Reading, after: Reading) -> float:
    """Return the rate of the uplink between two readings, in bit/s, in the direction in which it is higher. Pure."""
    if before.uplink is None or after.uplink is None or after.at_s <= before.at_s:
        return 0.0
    increase = (after.uplink.received - before.uplink.received, after.uplink.sent - before.uplink.sent)
    return max(0, *increase) * BITS_EACH / (after.at_s - before.at_s)
