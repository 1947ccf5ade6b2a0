"""What came of the attempts: how many were measured, skipped, broken or are doubtful, and why. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.model import Kind, Scope, Status

if TYPE_CHECKING:
    from monitor.columns import Columns


@dataclass(frozen=True, slots=True)
class Tally:
    """Attempts by status; broken ones (failed, interrupted) by whose fault and what; doubtful ones by reason.

    A doubtful result with two reasons counts in both, so `doubts` may add up to more than `doubtful`.
    """

    statuses: Counter[Status]
    trusted: int
    doubtful: int
    faults: Counter[tuple[Scope, Kind]]
    doubts: Counter[str]

    @property
    def attempts(self) -> int:
        """All of them."""
        return self.statuses.total()

    @property
    def started(self) -> int:
        """Those that were not skipped."""
        return self.attempts - self.statuses[Status.SKIPPED]

    @property
    def broken(self) -> int:
        """Those that were started and came to nothing."""
        return self.statuses[Status.FAILED] + self.statuses[Status.INTERRUPTED]

    def of_scope(self, scope: Scope) -> int:
        """Return how many were broken by somebody's fault."""
        return sum(count for (whose, _), count in self.faults.items() if whose is scope)


def tally(columns: Columns) -> Tally:
    """Return what came of runs."""
    found = Tally(Counter(), 0, 0, Counter(), Counter())
    trusted = doubtful = 0
    for sort, count in columns.counts():
        found.statuses[sort.status] += count
        trusted += count * sort.trusted
        doubtful += count * sort.doubtful
        if sort.broken:
            found.faults[sort.blamed, sort.kind or _nameless(sort.status)] += count
        if sort.doubtful:
            found.doubts.update(dict.fromkeys(sort.doubts, count))
    return Tally(found.statuses, trusted, doubtful, found.faults, found.doubts)


def _nameless(status: Status) -> Kind:
    return Kind.INTERRUPTED if status is Status.INTERRUPTED else Kind.UNKNOWN
