"""A gap in the record: slots of the schedule in which no test ran, and why, as a row like any other; pure."""

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
    """Slots without a test: the first, the last (the same where it is one), how many, and the cause in a few words."""

    since: datetime
    until: datetime
    slots: int
    cause: str

    def message(self) -> str:
        """Return one line that says what is missing and why."""
        if self.slots == 1:
            return f"no test at this time: {self.cause}"
        return f"{self.slots} tests missed in a row: {self.cause}"


def as_run(gap: Gap, settings: Settings, run_id: str) -> Run:
    """Return the gap as a skipped run, with the times of its first and its last slot."""
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
