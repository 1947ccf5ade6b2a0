"""Judges the runs that were stored since the last call, and queues what is to be said: a message for each address.

Judging and queueing is one transaction, so no two processes report the same change.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from monitor import localtime
from monitor.analysis.watches import NewsKind
from monitor.model import Status
from monitor.notify import queue
from monitor.notify.digest import last_period
from monitor.notify.judgements import AlertKind, StateRules, StoredRun
from monitor.notify.queue import MessageKind
from monitor.notify.states import Evaluation, Notice, ProbeMemory, evaluate
from monitor.store import lookups, notifications
from monitor.store.connection import open_writer
from monitor.store.notifications import QueuedMessage
from monitor.store.read import measured_runs_by_pk, newest_pk
from monitor.system import lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from monitor.config.settings import Settings
    from monitor.notify.addresses import Address
    from monitor.store.connection import Connection

# The runs from which the states of a probe are known at first.
HISTORY_RUNS = 100

# More new runs than these are not judged one by one.
MAX_NEW_RUNS = 5000

ALL = "all"


def queue_changes(settings: Settings, targets: Sequence[Address], ping: Address | None, now: datetime) -> bool:
    """Queue a message to each address for each change; return whether a line works again."""
    zone = localtime.resolve_zone(settings.display.timezone, "display.timezone")
    # Before the transaction: whoever tests now stores its run after the test has ended.
    testing = lock.is_held(settings.collect.lock_file)
    watcher, at = settings.probe.name, int(now.timestamp())
    with open_writer(settings.database.url) as connection:
        notifications.lock_watcher(connection, watcher)
        messages: list[QueuedMessage] = []
        has_recovered = False
        for probe in watched_probes(connection, settings):
            result = _judge_probe(connection, settings, probe, at, testing=testing and probe == watcher)
            has_recovered |= any(map(_is_recovery, result.notices))
            messages += (_to_message(target, MessageKind.ALERT, msgspec.json.encode(notice), at)
                         for notice in result.notices for target in targets)  # fmt: skip
            if ping and probe == watcher:
                messages += _pings(ping, result, at)
        messages += _due_digest(connection, settings, targets, now, zone)
        notifications.add_messages(connection, watcher, messages)
    return has_recovered


def watched_probes(connection: Connection, settings: Settings) -> list[str]:
    """Return the probes that this installation reports: those of the settings, else its own, else all."""
    names, own = settings.notify.probes, settings.probe.name
    if ALL in names or (not names and not notifications.has_runs(connection, own)):
        return lookups.probe_names(connection)
    return list(dict.fromkeys(names)) or [own]


def _is_recovery(notice: Notice) -> bool:
    return notice.alert is AlertKind.DOWN and notice.change is NewsKind.ENDED


def _judge_probe(connection: Connection, settings: Settings, probe: str, now: int, *, testing: bool) -> Evaluation:
    """Judge the new runs of a probe, and keep its memory."""
    watcher = settings.probe.name
    memory = load_memory(connection, watcher, probe)
    pk = lookups.find_probe_pk(connection, probe)
    if pk is None:
        return Evaluation(memory or ProbeMemory())
    rows = _new_rows(connection, pk, memory)
    result = evaluate(memory, probe, rows, StateRules.from_settings(settings), now, testing=testing)
    kept = _skip_imported(connection, pk, result.memory) if len(result.added) == len(rows) else result.memory
    if kept != memory:
        notifications.save_memory(connection, watcher, probe, msgspec.json.encode(kept).decode())
    return result


def _new_rows(connection: Connection, probe_pk: int, memory: ProbeMemory | None) -> list[StoredRun]:
    """Return the runs that were stored since the memory was kept; at first, some that are history."""
    is_known = memory is not None and memory.last_pk > 0
    after, limit = (memory.last_pk, MAX_NEW_RUNS) if memory and is_known else (0, HISTORY_RUNS)
    rows = [StoredRun(*row) for row in measured_runs_by_pk(connection, probe_pk, after, limit)]
    if memory is None or is_known:
        return rows
    newest = max((path.last_started for path in memory.paths.values()), default=0)
    return [row for row in rows if row.run.started_at.timestamp() > newest]


def load_memory(connection: Connection, watcher: str, probe: str) -> ProbeMemory | None:
    """Return the memory of a probe, without its place in the runs if the database was replaced by an older copy."""
    text = notifications.load_memory(connection, watcher, probe)
    if text is None:
        return None
    try:
        memory = msgspec.json.decode(text, type=ProbeMemory)
    except msgspec.ValidationError:  # another release kept it: what lasts is reported again
        return None
    is_same = notifications.id_of_run(connection, memory.last_pk) == memory.last_run_id
    return memory if is_same else replace(memory, last_pk=0, last_run_id="")


def _skip_imported(connection: Connection, probe_pk: int, memory: ProbeMemory) -> ProbeMemory:
    """Return the memory with the last run that is stored, so that imported ones are not read again."""
    newest = newest_pk(connection, probe_pk, memory.last_pk)
    if newest == memory.last_pk:
        return memory
    return replace(memory, last_pk=newest, last_run_id=notifications.id_of_run(connection, newest) or "")


def _to_message(target: Address, kind: MessageKind, document: bytes, now: int) -> QueuedMessage:
    return QueuedMessage(0, target.key, target.name, kind.value, document.decode(), now)


def _pings(ping: Address, result: Evaluation, now: int) -> Iterator[QueuedMessage]:
    """Yield a sign of life for each new run that is not too old for one."""
    for run in result.added:
        at = int(run.finished_at.timestamp())
        if now - at <= queue.PING_LIFE_S:
            document = msgspec.json.encode({"failed": run.status is Status.FAILED})
            yield _to_message(ping, MessageKind.PING, document, min(at, now))


def _due_digest(
    connection: Connection, settings: Settings, targets: Sequence[Address], now: datetime, zone: ZoneInfo
) -> Iterator[QueuedMessage]:
    """Yield the digest of the last period to each address, once; at first, that period is history."""
    period, watcher = settings.notify.digest, settings.probe.name
    if not period:
        return
    window = last_period(period, settings.notify.digest_at, now, zone)
    since, until = (int(moment.timestamp()) for moment in (window.since, window.until))
    last = notifications.last_digest(connection, watcher)
    if last is None or last < until:
        notifications.save_digest(connection, watcher, until)
    if last is not None and last < until:
        document = msgspec.json.encode({"period": period, "since": since, "until": until})
        yield from (_to_message(target, MessageKind.DIGEST, document, int(now.timestamp())) for target in targets)
