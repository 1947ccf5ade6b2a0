"""What became of messages, and which addresses do not take any: for `notify history`, `status` and the page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from monitor.errors import ConfigError
from monitor.notify import addresses, queue
from monitor.notify.addresses import Address
from monitor.notify.queue import MessageKind
from monitor.output.units import format_count, format_table_time
from monitor.store import notifications
from monitor.store.connection import open_reader, open_writer
from monitor.store.notifications import AddressHealth

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from monitor.config.settings import Settings
    from monitor.store.connection import Connection
    from monitor.store.notifications import QueuedMessage


@dataclass(frozen=True, slots=True)
class AddressReport:
    """A configured address: failed attempts since the last success, the last error, and how many messages wait."""

    name: str
    failures: int
    failed_at: datetime | None
    sent_at: datetime | None
    error: str | None
    waiting: int

    @property
    def is_broken(self) -> bool:
        """Whether the last attempt failed."""
        return self.failures > 0

    def describe(self, zone: ZoneInfo) -> str:
        """Return what is wrong with it in a sentence."""
        at = f" at {format_table_time(self.failed_at, zone)}" if self.failed_at else ""
        times = format_count(self.failures, "attempt")
        waiting = f"; {format_count(self.waiting, 'message')} waiting" if self.waiting else ""
        return f"{self.name} takes no messages: {times} failed, the last{at}: {self.error}{waiting}"

    def to_object(self) -> dict[str, Any]:
        """Return it for JSON, with times in UTC."""
        times = {name: moment and f"{moment:%Y-%m-%dT%H:%M:%SZ}" for name, moment in self._times().items()}
        return {"address": self.name, "failures": self.failures, **times, "error": self.error, "waiting": self.waiting}

    def _times(self) -> dict[str, datetime | None]:
        return {"failed_at": self.failed_at, "sent_at": self.sent_at}


def address_reports(settings: Settings) -> list[AddressReport]:
    """Return the configured addresses, in the order of the settings.

    Raises:
        ConfigError: they cannot be read.
        StoreError: the database cannot be read.
    """
    targets = addresses.all_addresses(settings)
    with open_reader(settings.database.url) as connection:
        return _read_reports(connection, settings, targets)


def known_addresses(connection: Connection, settings: Settings) -> list[AddressReport]:
    """Return the addresses, for anybody: `notify.urls_file` may be closed to whoever reads the page or the status.

    Without that file these are the addresses for which messages wait. A store of a reading side may have no health.
    """
    try:
        targets = addresses.all_addresses(settings)
    except ConfigError:
        waiting = notifications.waiting_messages(connection, settings.probe.name)
        targets = [
            Address("", key, name) for key, name in {message.address: message.name for message in waiting}.items()
        ]
    return _read_reports(connection, settings, targets) if targets else []


def _read_reports(connection: Connection, settings: Settings, targets: Sequence[Address]) -> list[AddressReport]:
    health = notifications.address_health(connection, settings.probe.name)
    waiting = notifications.waiting_messages(connection, settings.probe.name)
    counts = {target.key: sum(message.address == target.key for message in waiting) for target in targets}
    return [
        _to_report(health.get(target.key, AddressHealth(target.key, target.name)), target, counts[target.key])
        for target in targets
    ]


def _to_report(health: AddressHealth, target: Address, waiting: int) -> AddressReport:
    failed_at, sent_at = _to_datetime(health.failed_at), _to_datetime(health.sent_at)
    return AddressReport(target.name, health.failures, failed_at, sent_at, health.error, waiting)


def _to_datetime(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def read_history(settings: Settings, since: datetime) -> list[QueuedMessage]:
    """Return the messages since then, newest first, without signs of life.

    Raises:
        StoreError: the database cannot be read.
    """
    with open_reader(settings.database.url) as connection:
        messages = notifications.message_history(
            connection, settings.probe.name, int(since.timestamp()), (MessageKind.PING,)
        )
    return messages[::-1]


def describe_document(message: QueuedMessage) -> str:
    """Return what a message is about: down began (home, ip4only); the digest, weekly."""
    document = msgspec.json.decode(message.document)
    if message.kind == MessageKind.ALERT:
        source = ", ".join(part for part in (document["probe"], document["path"]) if part)
        return f"{document['alert']} {document['change']} ({source})"
    return f"digest, {document.get('period', '')}"


def note_attempt(settings: Settings, target: Address, reason: str, now: datetime) -> None:
    """Keep the result of a test message; `reason` is why it failed, empty if it did not.

    Raises:
        StoreError: the database cannot be written.
    """
    watcher, at = settings.probe.name, int(now.timestamp())
    with open_writer(settings.database.url) as connection:
        known = notifications.address_health(connection, watcher).get(target.key)
        health = known or AddressHealth(target.key, target.name)
        failed = queue.after_failure(health, at, reason, line_is_down=False)
        notifications.save_health(connection, watcher, failed if reason else queue.after_success(health, at))
