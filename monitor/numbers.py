"""The numbers of a run that columns and packed days store as integers, and their scale. Pure.

To add one, add it to `UNITS` and write a migration that adds it to `packed_days` and repacks all days.
"""

from __future__ import annotations

import math

UNITS = {
    "download_bps": 1,
    "upload_bps": 1,
    "latency_ms": 1000,
    "jitter_ms": 1000,
    "packet_loss_pct": 1000,
    "download_latency_ms": 1000,
    "upload_latency_ms": 1000,
}
"""By field of `Run`: how many stored units make one (bit/s as is, times in µs, percentages in 1/1000 %)."""

_MOST = 2**64 - 1


def whole(value: float | None, unit: int) -> int:
    """Return a number as stored: scaled, rounded, plus 1; 0 for None and for what is not a finite number."""
    if value is None or not math.isfinite(value):
        return 0
    return min(round(value * unit) + 1, _MOST)
