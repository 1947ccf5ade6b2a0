"""Forward what waits, batch by batch: read here, commit there, remember here.

A batch that was committed there and not remembered here is sent again, and the fleet passes over the runs it has by
their ids. So a fault at any moment leaves both sides as they are to be once the next push has come through.
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
    """What a push did: `sent` runs of which the fleet had `known` already; `waiting` are left."""

    sent: int = 0
    known: int = 0
    waiting: int = 0


def push(settings: Settings, clock: Callable[[], datetime], go_on: Callable[[Pushed], bool]) -> Pushed:
    """Forward until nothing waits, or `go_on`, which is asked before each batch, has seen enough.

    Batches grow, so that a slow line carries a few runs before its time is up.

    Raises:
        ConfigError: there is no fleet, or the runs are in no SQLite.
        StoreError: the fleet cannot take them, which is remembered; or the own database cannot be read or written.
    """
    _refuse_what_has_no_outbox(settings)
    done, size = Pushed(), FIRST_BATCH
    while go_on(done):
        sent, known = _one_batch(settings, clock, size)
        done = replace(done, sent=done.sent + sent, known=done.known + known)
        if sent < size:
            break
        size = min(2 * size, MOST)
    with open_reader(settings.database.url) as connection:
        return replace(done, waiting=outbox.waiting(connection).runs)


def adopt(settings: Settings) -> None:
    """Make the fleet take the name of this probe from now on from this installation only.

    Raises:
        ConfigError, StoreError: as in `push`.
    """
    _refuse_what_has_no_outbox(settings)
    with open_reader(settings.database.url) as connection:
        names, mine = probes.known(connection), probes.identity_of(connection)
    with open_writer(settings.fleet.database_url) as connection:
        probes.adopt(connection, {settings.probe.name, *names}, mine)


def _refuse_what_has_no_outbox(settings: Settings) -> None:
    if not settings.fleet.database_url:
        raise ConfigError("there is no fleet: set fleet.database_url to the URL of its PostgreSQL")
    if file_of(settings.database.url) is None:
        raise ConfigError("runs are forwarded from SQLite only: leave database.url empty, or fleet.database_url")


def _one_batch(settings: Settings, clock: Callable[[], datetime], size: int) -> tuple[int, int]:
    """Forward one batch; return how many runs it held, and how many of them the fleet had."""
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
