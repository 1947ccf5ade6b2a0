"""What notifications keep in the database: memories of states, the queue of messages, and the health of addresses.

A message is a row for each address. It is written before it is sent and marked afterwards, and only the holder of the
sender's lock sends, so a process that is killed in between repeats one message and loses none.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update

from monitor.errors import StoreError
from monitor.store import postgres
from monitor.store.connection import explain_errors, get_engine
from monitor.store.database_file import sqlite_path
from monitor.store.lookups import insert_if_new
from monitor.store.tables import (
    notify_addresses,
    notify_digests,
    notify_memories,
    notify_messages,
    probes,
    runs,
)
from monitor.system.files import make_file

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from typing import Any

    from sqlalchemy import ColumnElement, Connection

# Messages are kept so long after they were sent.
KEPT_S = 400 * 86_400

LOCK_SUFFIX = "-notify.lock"

# How often the lock is tried while another process sends.
POLL_S = 0.2


class MessageStatus(StrEnum):
    """What became of a message; DROPPED: too late to be of use, or its address is no longer configured."""

    WAITING = "waiting"
    SENT = "sent"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message to one address: `address` is a digest, `name` what may be shown of it; times in epoch seconds."""

    pk: int
    address: str
    name: str
    kind: str
    document: str
    created_at: int
    status: MessageStatus = MessageStatus.WAITING
    ended_at: int | None = None
    title: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class AddressHealth:
    """Failed attempts since the last success, when and why the last one failed, and the last success."""

    address: str
    name: str
    failures: int = 0
    failed_at: int | None = None
    sent_at: int | None = None
    error: str | None = None


def lock_watcher(connection: Connection, watcher: str) -> None:
    """Let no other process judge states until the transaction ends; SQLite has one writer at a time anyway."""
    if connection.dialect.name == "postgresql":
        postgres.lock_for_transaction(connection, postgres.named_lock(watcher))


def has_runs(connection: Connection, probe: str) -> bool:
    """Return whether a probe has runs."""
    query = select(runs.c.pk).join(probes, probes.c.pk == runs.c.probe_pk).where(probes.c.name == probe).limit(1)
    return connection.scalar(query) is not None


def id_of_run(connection: Connection, pk: int) -> str | None:
    """Return the id of the run with a primary key; None if there is none."""
    return connection.scalar(select(runs.c.id).where(runs.c.pk == pk))


def load_memory(connection: Connection, watcher: str, probe: str) -> str | None:
    """Return the memory of a probe's states; None at first."""
    mine = (notify_memories.c.watcher == watcher, notify_memories.c.probe == probe)
    return connection.scalar(select(notify_memories.c.memory).where(*mine))


def save_memory(connection: Connection, watcher: str, probe: str, memory: str) -> None:
    """Keep the memory of a probe's states."""
    mine = (notify_memories.c.watcher == watcher, notify_memories.c.probe == probe)
    if not connection.execute(update(notify_memories).where(*mine).values(memory=memory)).rowcount:
        connection.execute(insert(notify_memories).values(watcher=watcher, probe=probe, memory=memory))


def last_digest(connection: Connection, watcher: str) -> int | None:
    """Return the end of the period of the last digest; None before the first."""
    return connection.scalar(select(notify_digests.c.until).where(notify_digests.c.watcher == watcher))


def save_digest(connection: Connection, watcher: str, until: int) -> None:
    """Keep the end of the period of a digest."""
    mine = notify_digests.c.watcher == watcher
    if not connection.execute(update(notify_digests).where(mine).values(until=until)).rowcount:
        connection.execute(insert(notify_digests).values(watcher=watcher, until=until))


def add_messages(connection: Connection, watcher: str, messages: Sequence[QueuedMessage]) -> None:
    """Queue messages, whose primary keys are ignored, and remove those that were sent long ago."""
    if not messages:
        return
    names = ("address", "name", "kind", "document", "created_at", "status")
    rows = [{"watcher": watcher, **{name: getattr(message, name) for name in names}} for message in messages]
    connection.execute(insert(notify_messages), rows)
    newest = max(message.created_at for message in messages)
    connection.execute(delete(notify_messages).where(_of(watcher), notify_messages.c.ended_at < newest - KEPT_S))


def waiting_messages(connection: Connection, watcher: str) -> list[QueuedMessage]:
    """Return the messages that wait, in the order in which they were queued."""
    waits = notify_messages.c.status == MessageStatus.WAITING
    return _read_messages(connection, _of(watcher), waits)


def message_history(
    connection: Connection, watcher: str, since: int, skip: Collection[str] = ()
) -> list[QueuedMessage]:
    """Return the messages that were queued since then, oldest first, but those of some kinds."""
    return _read_messages(
        connection, _of(watcher), notify_messages.c.created_at >= since, notify_messages.c.kind.not_in(skip)
    )


def end_messages(
    connection: Connection, pks: Collection[int], status: MessageStatus, now: int, title: str | None = None
) -> None:
    """Mark messages as sent or dropped."""
    changed = {"status": status.value, "ended_at": now, "title": title}
    connection.execute(update(notify_messages).where(notify_messages.c.pk.in_(pks)).values(changed))


def note_error(connection: Connection, pks: Collection[int], error: str) -> None:
    """Keep why messages could not be sent; they go on waiting."""
    connection.execute(update(notify_messages).where(notify_messages.c.pk.in_(pks)).values(error=error))


def address_health(connection: Connection, watcher: str) -> dict[str, AddressHealth]:
    """Return the health of the addresses that were ever used."""
    columns = [notify_addresses.c[name] for name in AddressHealth.__slots__]
    rows = connection.execute(select(*columns).where(notify_addresses.c.watcher == watcher))
    return {row.address: AddressHealth(*row) for row in rows}


def save_health(connection: Connection, watcher: str, health: AddressHealth) -> None:
    """Keep the health of an address."""
    values = {name: getattr(health, name) for name in AddressHealth.__slots__}
    connection.execute(insert_if_new(connection, notify_addresses), {"watcher": watcher, **values})
    mine = (notify_addresses.c.watcher == watcher, notify_addresses.c.address == health.address)
    connection.execute(update(notify_addresses).where(*mine).values(values))


def _of(watcher: str) -> ColumnElement[bool]:
    return notify_messages.c.watcher == watcher


def _read_messages(connection: Connection, *conditions: ColumnElement[bool]) -> list[QueuedMessage]:
    columns = [notify_messages.c[name] for name in QueuedMessage.__slots__]
    rows = connection.execute(select(*columns).where(*conditions).order_by(notify_messages.c.pk))
    return [_to_message(dict(row)) for row in rows.mappings()]


def _to_message(row: dict[str, Any]) -> QueuedMessage:
    return QueuedMessage(**row | {"status": MessageStatus(row["status"])})


@contextmanager
def hold_sender_lock(url: str, watcher: str, patience_s: float) -> Iterator[bool]:
    """Hold the lock of whoever sends for the `with` block; yield False if another process held it for too long.

    The kernel or the database server releases it when its holder dies.

    Raises:
        StoreError: the lock cannot be used.
    """
    until = time.monotonic() + patience_s
    file = sqlite_path(url)
    with _hold_file_lock(file, until) if file else _hold_server_lock(url, watcher, until) as held:
        yield held


@contextmanager
def _hold_file_lock(database: Path, until: float) -> Iterator[bool]:
    file = Path(f"{database}{LOCK_SUFFIX}")
    try:
        make_file(file)
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise StoreError(f"{file}: cannot be opened ({error.strerror}): let its owner send notifications") from error
    try:
        yield _wait_for(lambda: _try_file_lock(descriptor), until)
    finally:
        os.close(descriptor)


def _try_file_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _hold_server_lock(url: str, watcher: str, until: float) -> Iterator[bool]:
    with explain_errors(url):
        connection = get_engine(url, writes=True).connect()
    with connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        with explain_errors(url):
            held = _wait_for(lambda: postgres.try_session_lock(connection, postgres.named_lock(watcher)), until)
        yield held


def _wait_for(attempt: Callable[[], bool], until: float) -> bool:
    while not attempt():
        if time.monotonic() > until:
            return False
        time.sleep(POLL_S)
    return True
