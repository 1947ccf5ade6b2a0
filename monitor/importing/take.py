"""Stores the runs of a file in batches, so that a test that ends during an import waits for one batch at most."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from monitor.errors import StoreRejectedError
from monitor.importing.model import Refused, Taken
from monitor.store.known import known
from monitor.store.open import open_reader, open_writer
from monitor.store.write import add_many

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.importing.model import Record

BATCH = 4000
# So many reasons are kept; further rejected lines are only counted.
MOST_REASONS = 20


@dataclass(slots=True)
class Tally:
    """Counts for one file: runs stored, runs that the store already had, and rejected lines, the first with reasons."""

    stored: int = 0
    existing: int = 0
    rejected: int = 0
    reasons: list[Refused] = field(default_factory=list)

    def reject(self, part: Refused) -> None:
        """Count a line that gave no run."""
        self.rejected += 1
        if len(self.reasons) < MOST_REASONS:
            self.reasons.append(part)

    def add(self, stored: int, existing: int) -> None:
        """Count runs."""
        self.stored += stored
        self.existing += existing


def batches(records: Iterator[Record], counts: Tally) -> Iterator[list[Taken]]:
    """Yield the runs of a file, BATCH records at a time; lines without a run are counted."""
    while batch := list(itertools.islice(records, BATCH)):
        for record in batch:
            if isinstance(record, Refused):
                counts.reject(record)
        yield [record for record in batch if isinstance(record, Taken)]


def store(url: str, batch: list[Taken], counts: Tally) -> None:
    """Store a batch. A run that the store rejects is counted, and the others are stored all the same.

    Raises:
        StoreError: the store cannot be written.
    """
    if not batch:
        return
    try:
        with open_writer(url) as connection:
            stored, existing = add_many(connection, (taken.attempt for taken in batch))
    except StoreRejectedError as error:
        if len(batch) == 1:
            counts.reject(Refused(batch[0].line, str(error)))
            return
        half = len(batch) // 2
        store(url, batch[:half], counts)
        store(url, batch[half:], counts)
    else:
        counts.add(stored, existing)


class Rehearsal:
    """A dry run: counts what `store` would do, and stores nothing."""

    def __init__(self, url: str) -> None:
        self._url = url
        # Hashes of the ids in earlier batches: smaller than the ids.
        self._earlier: set[int] = set()

    def store(self, batch: list[Taken], counts: Tally) -> None:
        """Count a batch. A run that was in an earlier batch counts as existing."""
        ids = [taken.attempt.run.id for taken in batch]
        with open_reader(self._url) as connection:
            existing = known(connection, ids)
        for run_id in ids:
            exists = run_id in existing or hash(run_id) in self._earlier
            self._earlier.add(hash(run_id))
            counts.add(int(not exists), int(exists))
