"""Publishes the newest test of each probe and path to a broker of MQTT, in a process of its own.

There is no queue: the messages are retained, and the next call publishes what is newest then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from monitor.analysis.line_condition import StateLimits, judge_line
from monitor.model import Status
from monitor.notify import addresses, queue
from monitor.notify.deliver import line_is_down, run_sender
from monitor.notify.home_assistant import SourceState, make_messages
from monitor.notify.mqtt_send import MqttDelivery
from monitor.notify.queueing import watched_probes
from monitor.store import notifications
from monitor.store.connection import open_reader, open_writer
from monitor.store.lookups import find_probe_pk
from monitor.store.notifications import AddressHealth
from monitor.store.read import latest_runs
from monitor.store.statistics import plans_of_runs
from monitor.system.installation import version_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from monitor.config.settings import Settings
    from monitor.notify.addresses import Address
    from monitor.store.connection import Connection

# From so many runs of a probe its state is known.
STATE_RUNS = 100

MODULE, LIBRARY = "monitor.notify.mqtt_send", "paho-mqtt"


def publish_newest(
    settings: Settings, clock: Callable[[], datetime], *, retry: bool = False
) -> tuple[Address, str] | None:
    """Publish the newest tests; return the broker and why that failed, empty if it did not.

    None: there is no broker, or it failed a short while ago and is left alone, unless `retry`.

    Raises:
        ConfigError: the address of the broker cannot be read.
        StoreError: the database cannot be used.
    """
    broker = addresses.mqtt_address(settings.mqtt)
    if broker is None:
        return None
    watcher, now = settings.probe.name, clock()
    at = int(now.timestamp())
    with open_reader(settings.database.url) as connection:
        known = notifications.address_health(connection, watcher).get(broker.key)
        sources = [*_read_sources(connection, settings, now)]
    if queue.is_resting(known, at) and not retry:
        return None
    messages = make_messages(settings.mqtt, sources, version_line())
    delivery = MqttDelivery(broker.url, (*messages,), settings.notify.deadline_s)
    reason = run_sender(MODULE, msgspec.json.encode(delivery), delivery.deadline_s, LIBRARY)
    _note_result(settings, known or AddressHealth(broker.key, broker.name), reason, at)
    return broker, reason


def _read_sources(connection: Connection, settings: Settings, now: datetime) -> Iterator[SourceState]:
    """Yield the newest attempt of each watched probe over each path."""
    limits = StateLimits.from_settings(settings)
    for probe in watched_probes(connection, settings):
        pk = find_probe_pk(connection, probe)
        runs = latest_runs(connection, limit=STATE_RUNS, probes=(pk,)) if pk is not None else []
        plans = plans_of_runs(connection, runs)
        for path in dict.fromkeys(run.path for run in runs):
            of_path = [run for run in runs if run.path is path]
            attempts = [run for run in of_path if run.status is not Status.SKIPPED]
            if attempts:
                yield SourceState(attempts[0], judge_line(of_path, plans, now, limits))


def _note_result(settings: Settings, known: AddressHealth, reason: str, now: int) -> None:
    watcher = settings.probe.name
    with open_writer(settings.database.url) as connection:
        is_down = bool(reason) and line_is_down(connection, watcher)
        failed = queue.after_failure(known, now, reason, line_is_down=is_down)
        notifications.save_health(connection, watcher, failed if reason else queue.after_success(known, now))
