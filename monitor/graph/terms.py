"""What the measurements are shown against and called. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from monitor.model import Plan


@dataclass(frozen=True, slots=True)
class Terms:
    """The zone of all times, the title, and the plan that judges runs where none was stored with one."""

    zone: ZoneInfo
    plan: Plan
    title: str
