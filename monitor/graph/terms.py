"""What the measurements are shown against and called. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.graph.data import Metric

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from monitor.graph.data import Change
    from monitor.model import Plan


@dataclass(frozen=True, slots=True)
class Terms:
    """The zone of all times, the plan, the title, and changes that the runs themselves do not show (of the plan)."""

    zone: ZoneInfo
    plan: Plan
    title: str
    changes: tuple[Change, ...] = ()

    @property
    def sold(self) -> dict[Metric, float | None]:
        """What the plan promises of each metric of speed, in its unit."""
        return {
            Metric.DOWNLOAD: self.plan.download_bps,
            Metric.UPLOAD: self.plan.upload_bps,
            Metric.LATENCY: self.plan.latency_ms,
        }
