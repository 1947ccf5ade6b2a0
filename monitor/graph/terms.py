"""What all parts of a graph need to know besides the runs and the window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from monitor.model import Plan


@dataclass(frozen=True, slots=True)
class Terms:
    """The zone of all times, the title, and the plan to compare with if no run was stored with one."""

    zone: ZoneInfo
    plan: Plan
    title: str
