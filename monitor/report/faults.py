"""Attempts counted by outcome: trusted, doubtful, failed, skipped, and the reasons. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from monitor.model import Kind, Scope, Status

if TYPE_CHECKING:
    from monitor.columns import Columns


@dataclass(slots=True)
class Tally:
    """Attempts by status; failed and interrupted ones by scope and kind; doubtful ones by reason.

    A doubtful result may have several reasons, so `doubts` may add up to more than `doubtful`.
    """

    statuses: Counter[Status] = field(default_factory=Counter)
    trusted: int = 0
    doubtful: int = 0
    faults: Counter[tuple[Scope, Kind]] = field(default_factory=Counter)
    doubts: Counter[str] = field(default_factory=Counter)

    @property
    def attempts(self) -> int:
        """All attempts, skipped ones included."""
        return self.statuses.total()

    @property
    def started(self) -> int:
        """Attempts that were not skipped."""
        return self.attempts - self.statuses[Status.SKIPPED]

    @property
    def broken(self) -> int:
        """Attempts that failed or were interrupted."""
        return self.statuses[Status.FAILED] + self.statuses[Status.INTERRUPTED]

    def count_scope(self, scope: Scope) -> int:
        """Return how many failed or interrupted attempts have this scope."""
        return sum(count for (fault_scope, _), count in self.faults.items() if fault_scope is scope)


def tally(columns: Columns) -> Tally:
    """Count runs by outcome."""
    counts = Tally()
    for attributes, count in columns.counts():
        counts.statuses[attributes.status] += count
        counts.trusted += count * attributes.trusted
        counts.doubtful += count * attributes.doubtful
        if attributes.broken:
            counts.faults[attributes.blamed, attributes.kind or _nameless(attributes.status)] += count
        if attributes.doubtful:
            counts.doubts.update(dict.fromkeys(attributes.doubts, count))
    return counts


def _nameless(status: Status) -> Kind:
    """Return the kind of a failure that is stored without one."""
    return Kind.INTERRUPTED if status is Status.INTERRUPTED else Kind.UNKNOWN
