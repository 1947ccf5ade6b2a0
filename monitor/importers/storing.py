"""Stores the runs of a file in batches, or counts what would be stored. The only importer module that writes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from monitor.errors import StoreRejectedError
from monitor.importers.base import ImportedRun, ImportNote, RejectedPart
from monitor.model import Plan, Status
from monitor.store.connection import open_reader, open_writer
from monitor.store.read import stored_ids
from monitor.store.write import add_attempts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from monitor.importers.base import Record
    from monitor.model import Run
    from monitor.store.connection import Connection


# Runs are stored in batches, so that a test that ends during an import waits for one batch at most.
BATCH_RECORDS = 4000

_NO_PLAN = Plan()

# So many reasons and notes are kept; further ones are only counted.
MAX_REASONS = 20

# A run of a dry run is shown as it would be stored.
SHOWN_RUNS = 5


@dataclass(slots=True)
class ImportCounts:
    """Counts for one file.

    Attributes:
        stored: runs that were stored.
        existing: runs that the store, or an earlier part of the file, already had.
        rejected: lines that gave no run.
        failed: failed, skipped and interrupted runs among those stored and existing.
        first: when the oldest run started.
        last: when the newest run started.
        reasons: why the first lines were rejected.
        noted: how many notes there were.
        notes: the first notes.
        shown: the first runs.
    """

    stored: int = 0
    existing: int = 0
    rejected: int = 0
    failed: int = 0
    first: datetime | None = None
    last: datetime | None = None
    reasons: list[RejectedPart] = field(default_factory=list)
    noted: int = 0
    notes: list[ImportNote] = field(default_factory=list)
    shown: list[Run] = field(default_factory=list)

    @property
    def taken(self) -> int:
        """Runs of the file that the store has now."""
        return self.stored + self.existing

    def reject(self, part: RejectedPart) -> None:
        """Count a line that gave no run."""
        self.rejected += 1
        if len(self.reasons) < MAX_REASONS:
            self.reasons.append(part)

    def note(self, note: ImportNote) -> None:
        """Keep a note."""
        self.noted += 1
        if len(self.notes) < MAX_REASONS:
            self.notes.append(note)

    def add(self, runs: Iterable[Run], stored: int, existing: int) -> None:
        """Count runs."""
        self.stored += stored
        self.existing += existing
        for run in runs:
            self.failed += run.status is not Status.OK
            self.first = run.started_at if self.first is None else min(self.first, run.started_at)
            self.last = run.started_at if self.last is None else max(self.last, run.started_at)
            if len(self.shown) < SHOWN_RUNS:
                self.shown.append(run)


def split_batches(records: Iterator[Record], counts: ImportCounts) -> Iterator[list[ImportedRun]]:
    """Yield the runs of a file, `BATCH_RECORDS` records at a time; lines without a run, and notes, are counted."""
    while batch := list(itertools.islice(records, BATCH_RECORDS)):
        for record in batch:
            if isinstance(record, RejectedPart):
                counts.reject(record)
            elif isinstance(record, ImportNote):
                counts.note(record)
        yield [record for record in batch if isinstance(record, ImportedRun)]


def with_plan(imported: ImportedRun, plan_at: Callable[[datetime], Plan]) -> ImportedRun:
    """Return a run with the plan of its time, unless it has one."""
    if imported.attempt.plan != _NO_PLAN:
        return imported
    return replace(imported, attempt=replace(imported.attempt, plan=plan_at(imported.attempt.run.started_at)))


def store_batch(url: str, batch: list[ImportedRun], counts: ImportCounts) -> None:
    """Store a batch. A run that the store rejects is counted, and the others are stored all the same.

    Raises:
        StoreError: the store cannot be written.
    """
    if not batch:
        return
    try:
        with open_writer(url) as connection:
            new = _without_formerly_stored(connection, batch)
            stored, existing = add_attempts(connection, (imported.attempt for imported in new))
    except StoreRejectedError as error:
        if len(batch) == 1:
            counts.reject(RejectedPart(batch[0].line, str(error)))
            return
        half = len(batch) // 2
        store_batch(url, batch[:half], counts)
        store_batch(url, batch[half:], counts)
    else:
        runs = (imported.attempt.run for imported in batch)
        counts.add(runs, stored, existing + len(batch) - len(new))


def _without_formerly_stored(connection: Connection, batch: list[ImportedRun]) -> list[ImportedRun]:
    """Leave out the runs that are stored for the same probe under the id that an earlier version gave them."""
    former = [imported.former_id for imported in batch if imported.former_id]
    by_probe: dict[str, set[str]] = {}
    for probe in {imported.attempt.run.probe for imported in batch if imported.former_id}:
        by_probe[probe] = stored_ids(connection, former, probe)
    return [
        imported
        for imported in batch
        if imported.former_id is None or imported.former_id not in by_probe[imported.attempt.run.probe]
    ]


class DryRun:
    """Stands in for `store_batch`: counts what it would do, and stores nothing."""

    def __init__(self, url: str) -> None:
        self._url = url
        # Hashes of the ids in earlier batches: smaller than the ids.
        self._earlier: set[int] = set()

    def store(self, batch: list[ImportedRun], counts: ImportCounts) -> None:
        """Count a batch; a run that was in an earlier batch counts as existing."""
        with open_reader(self._url) as connection:
            new = {imported.attempt.run.id for imported in _without_formerly_stored(connection, batch)}
            existing = stored_ids(connection, new)
        for imported in batch:
            run = imported.attempt.run
            exists = run.id not in new or run.id in existing or hash(run.id) in self._earlier
            self._earlier.add(hash(run.id))
            counts.add([run], int(not exists), int(exists))
