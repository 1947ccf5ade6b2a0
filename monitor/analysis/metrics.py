"""The numbers of a run that are counted and drawn, and the units in which they are stored. Light: no NumPy.

Columns and packed days store them as integers. To add one, add it to `UNITS` and write a migration that adds it to
`packed_days` and repacks all days.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monitor.model import Plan


# By field of `Run`: how many stored units make one (bit/s as is, times in µs, percentages in 1/1000 %).
UNITS = {
    "download_bps": 1,
    "upload_bps": 1,
    "latency_ms": 1000,
    "jitter_ms": 1000,
    "packet_loss_pct": 1000,
    "download_latency_ms": 1000,
    "upload_latency_ms": 1000,
}

# A test at or above this percentage of its plan met it, unless `display.plan_met_pct` says otherwise: a test measures
# payload, a plan counts headers too.
PLAN_MET_PCT = 90

_MAX_STORED = 2**64 - 1


class Metric(StrEnum):
    """A number of a run that graphs and reports show; the value is the name of the field of `Run`."""

    DOWNLOAD = "download_bps"
    UPLOAD = "upload_bps"
    LATENCY = "latency_ms"
    DOWNLOAD_LATENCY = "download_latency_ms"
    UPLOAD_LATENCY = "upload_latency_ms"

    @property
    def is_rate(self) -> bool:
        """Whether it is a rate in bit/s (more is better), not a latency in ms (less is better)."""
        return self in RATE_METRICS

    def promised(self, plan: Plan) -> float | None:
        """Return what a plan promises for this metric, in its unit; None where it promises nothing."""
        values = {
            Metric.DOWNLOAD: plan.download_bps,
            Metric.UPLOAD: plan.upload_bps,
            Metric.LATENCY: plan.latency_ms,
        }
        return values.get(self) or None


RATE_METRICS = (Metric.DOWNLOAD, Metric.UPLOAD)

SPEED_METRICS = (*RATE_METRICS, Metric.LATENCY)

LOADED_METRICS = (Metric.DOWNLOAD_LATENCY, Metric.UPLOAD_LATENCY)


def to_stored(value: float | None, unit: int) -> int:
    """Return a number as stored: scaled, rounded, plus 1; 0 for None and for what is not a finite number."""
    if value is None or not math.isfinite(value):
        return 0
    return min(round(value * unit) + 1, _MAX_STORED)
