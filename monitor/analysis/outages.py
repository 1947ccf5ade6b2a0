"""Outages of the line: failed runs in a row with scope `line`, from the first failure to the next success. Pure.

Runs that say nothing about the line (skipped, or failed with another scope) neither begin nor end an outage.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003  annotations are read at run time
from typing import TYPE_CHECKING

from monitor.model import FailureKind, NetworkPath, Run, Scope, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Incident:
    """One outage as seen by the tests; an object of `incidents --json`.

    `began` is the start of the first failed test, `ended` that of the next good one, `length_s` the seconds between
    (both None while it lasts). `kind` is the most frequent kind of failure, `message` that of the first run,
    `failures` the number of failed runs.
    """

    probe: str
    path: NetworkPath
    began: datetime
    ended: datetime | None
    length_s: int | None
    kind: FailureKind
    message: str
    failures: int


@dataclass(slots=True)
class _OpenIncident:
    first: Run
    kinds: Counter[FailureKind] = field(default_factory=Counter)

    def close(self, end: Run | None) -> Incident:
        began, ended = self.first.started_at, end.started_at if end else None
        return Incident(
            probe=self.first.probe,
            path=self.first.path,
            began=began,
            ended=ended,
            length_s=round((ended - began).total_seconds()) if ended else None,
            kind=self.kinds.most_common(1)[0][0],
            message=self.first.failure.message if self.first.failure else "",
            failures=self.kinds.total(),
        )


def find_incidents(runs: Iterable[Run]) -> Iterator[Incident]:
    """Yield the outages in runs given oldest first: each when it ends, then those that last, oldest first."""
    lasting: dict[tuple[str, NetworkPath], _OpenIncident] = {}
    for run in runs:
        source = (run.probe, run.path)
        if run.status is Status.OK and source in lasting:
            yield lasting.pop(source).close(run)
        elif run.failure and run.status is Status.FAILED and run.failure.scope is Scope.LINE:
            lasting.setdefault(source, _OpenIncident(run)).kinds[run.failure.kind] += 1
    yield from (outage.close(None) for outage in lasting.values())
