"""Slots of the schedule in which no test ran, and why, stored as skipped runs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.model import Failure, Kind, Path, Run, Scope, Status, Trigger

if TYPE_CHECKING:
    from datetime import datetime

    from monitor.settings import Settings

STAGE = "schedule"


@dataclass(frozen=True, slots=True)
class Gap:
    """Consecutive slots without a test: the first, the last, how many, and the cause."""

    since: datetime
    until: datetime
    slots: int
    cause: str

    def message(self) -> str:
        """Return one line that says how many tests are missing, and why."""
        if self.slots == 1:
            return f"no test at this time: {self.cause}"
        return f"{self.slots} tests missed in a row: {self.cause}"


def as_run(gap: Gap, settings: Settings, run_id: str) -> Run:
    """Return the missed slots as a skipped run from the first to the last slot."""
    return Run(
        id=run_id,
        probe=settings.probe.name,
        started_at=gap.since.replace(microsecond=0),
        finished_at=gap.until.replace(microsecond=0),
        status=Status.SKIPPED,
        trigger=Trigger.SCHEDULE,
        path=Path(settings.collect.path),
        engine=settings.collect.engine,
        failure=Failure(Kind.UNKNOWN, Scope.LOCAL, STAGE, gap.message()),
    )
