"""Forwards waiting runs in batches: read from this store, commit to the fleet, record in this store.

A batch that was committed but not recorded is sent again, and the fleet skips the runs whose ids it has. So a fault at
any moment does no harm: the next successful push completes the work.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from monitor.errors import ConfigError, StoreError
from monitor.preflight import file_of
from monitor.store import outbox, probes
from monitor.store.open import open_reader, open_writer
from monitor.store.write import add_many

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from monitor.settings import Settings

FIRST_BATCH = 10
MOST = 500


@dataclass(frozen=True, slots=True)
class Pushed:
    """The result of a push: `sent` runs, `known` of which the fleet already had; `waiting` are left."""

    sent: int = 0
    known: int = 0
    waiting: int = 0


def push(settings: Settings, clock: Callable[[], datetime], go_on: Callable[[Pushed], bool]) -> Pushed:
    """Forward until nothing is waiting, or `go_on`, which is called before each batch, returns False.

    Batches grow, so that a slow line delivers some runs before the time is up.

    Raises:
        ConfigError: there is no fleet, or the runs are not in SQLite.
        StoreError: the fleet cannot store them, which is recorded; or the local database cannot be used.
    """
    _refuse_what_has_no_outbox(settings)
    result, size = Pushed(), FIRST_BATCH
    while go_on(result):
        sent, known = _one_batch(settings, clock, size)
        result = replace(result, sent=result.sent + sent, known=result.known + known)
        if sent < size:
            break
        size = min(2 * size, MOST)
    with open_reader(settings.database.url) as connection:
        return replace(result, waiting=outbox.waiting(connection).runs)


def adopt(settings: Settings) -> None:
    """Assign the names of this store's probes in the fleet to this installation.

    Raises:
        ConfigError, StoreError: as in `push`.
    """
    _refuse_what_has_no_outbox(settings)
    with open_reader(settings.database.url) as connection:
        names, installation = probes.known(connection), probes.identity_of(connection)
    with open_writer(settings.fleet.database_url) as connection:
        probes.adopt(connection, {settings.probe.name, *names}, installation)


def _refuse_what_has_no_outbox(settings: Settings) -> None:
    if not settings.fleet.database_url:
        raise ConfigError("there is no fleet: set fleet.database_url to the URL of its PostgreSQL")
    if file_of(settings.database.url) is None:
        raise ConfigError("runs are forwarded from SQLite only: leave database.url empty, or fleet.database_url")


def _one_batch(settings: Settings, clock: Callable[[], datetime], size: int) -> tuple[int, int]:
    """Forward one batch; return the number of runs in it, and how many of them the fleet already had."""
    try:
        return _forward(settings, clock, size)
    except StoreError as error:
        with open_writer(settings.database.url) as connection:
            outbox.note_failure(connection, str(error), clock())
        raise


def _forward(settings: Settings, clock: Callable[[], datetime], size: int) -> tuple[int, int]:
    with open_writer(settings.fleet.database_url) as fleet:
        target = probes.identity_of(fleet)
        with open_reader(settings.database.url) as connection:
            installation = probes.identity_of(connection)
            after = outbox.place(connection, outbox.progress(connection), target)
            batch = outbox.batch(connection, after, size, raw=settings.fleet.raw)
        probes.claim(fleet, {attempt.run.probe for attempt in batch.attempts}, installation)
        _, known = add_many(fleet, batch.attempts)
    with open_writer(settings.database.url) as connection:
        outbox.acknowledge(connection, target, batch, clock())
    return len(batch.attempts), known
