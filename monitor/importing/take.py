"""Store what a file holds, some thousand runs a transaction: a test that ends meanwhile waits for no more than that."""

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
# Reasons that are told; more are counted.
MOST_REASONS = 20


@dataclass(slots=True)
class Tally:
    """What came of a file: runs stored, runs that were there already, and parts that gave none, the first with why."""

    stored: int = 0
    there: int = 0
    refused: int = 0
    reasons: list[Refused] = field(default_factory=list)

    def refuse(self, refused: Refused) -> None:
        """Count a part that gave no run."""
        self.refused += 1
        if len(self.reasons) < MOST_REASONS:
            self.reasons.append(refused)

    def add(self, stored: int, there: int) -> None:
        """Count runs."""
        self.stored += stored
        self.there += there


def batches(records: Iterator[Record], tally: Tally) -> Iterator[list[Taken]]:
    """Yield the runs of a file, BATCH records at a time; the rest is counted."""
    while batch := list(itertools.islice(records, BATCH)):
        for record in batch:
            if isinstance(record, Refused):
                tally.refuse(record)
        yield [record for record in batch if isinstance(record, Taken)]


def store(url: str, batch: list[Taken], tally: Tally) -> None:
    """Store a batch; a run that the store refuses is counted, and the others are stored all the same.

    Raises:
        StoreError: the store cannot be written.
    """
    if not batch:
        return
    try:
        with open_writer(url) as connection:
            stored, there = add_many(connection, (taken.attempt for taken in batch))
    except StoreRejectedError as error:
        if len(batch) == 1:
            tally.refuse(Refused(batch[0].line, str(error)))
            return
        half = len(batch) // 2
        store(url, batch[:half], tally)
        store(url, batch[half:], tally)
    else:
        tally.add(stored, there)


class Rehearsal:
    """A dry run: counts what `store` would do, and writes nothing."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._seen: set[int] = set()

    def store(self, batch: list[Taken], tally: Tally) -> None:
        """Count a batch; a run that came before in the same files is there already."""
        ids = [taken.attempt.run.id for taken in batch]
        with open_reader(self._url) as connection:
            there = known(connection, ids)
        for run_id in ids:
            is_there = run_id in there or hash(run_id) in self._seen
            self._seen.add(hash(run_id))
            tally.add(int(not is_there), int(is_there))
