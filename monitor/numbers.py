"""The numbers of a run that columns and packed days keep, and as what whole numbers they keep them. Pure.

To keep one more, add it to `UNITS` and write a migration that adds it to `packed_days` and packs all days anew.
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
"""The numbers of a run that columns hold, by field, and how many of what is kept make one: µs and 1/1000 % of most."""

_MOST = 2**64 - 1


def whole(value: float | None, unit: int) -> int:
    """Return a number, not below 0, as it is kept: in whole units and 1 more, 0 for none and for what is no number."""
    if value is None or not math.isfinite(value):
        return 0
    return min(round(value * unit) + 1, _MOST)
