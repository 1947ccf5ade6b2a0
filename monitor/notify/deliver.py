"""The notifier: has new runs judged, and sends what waits, one message after the other.

Sending is left to whoever holds the sender's lock; a process that is killed between sending and marking repeats that
one message.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from monitor import localtime
from monitor.config.quiet_hours import quiet_hours_at
from monitor.notify import addresses, queue
from monitor.notify.judgements import AlertKind
from monitor.notify.queue import MessageBatch, MessageKind, choose_batch, merge_notices
from monitor.notify.queueing import load_memory, queue_changes, watched_probes
from monitor.notify.send import EXIT_NO_LIBRARY, Outgoing
from monitor.notify.states import Notice
from monitor.notify.texts import RenderedMessage, TextContext, render_message
from monitor.store import notifications
from monitor.store.connection import open_reader, open_writer
from monitor.store.notifications import AddressHealth, MessageStatus, QueuedMessage
from monitor.system.installation import install_command

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from monitor.config.settings import Settings
    from monitor.notify.addresses import Address
    from monitor.store.connection import Connection

# How long to wait for another process that sends; it sends what this one has queued as well.
PATIENCE_S = 60

# No further message is begun after this time.
TIME_LIMIT_S = 600


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What a call did: the messages that it sent, and the errors, each with the name of its address."""

    sent: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def run_notifier(
    settings: Settings,
    clock: Callable[[], datetime],
    patience_s: float = PATIENCE_S,
    send_one: Callable[[Outgoing], str] | None = None,
) -> DeliveryReport:
    """Judge the runs that were stored since the last call, and send what waits.

    Args:
        settings: all settings.
        clock: returns the current time.
        patience_s: how long to wait for another process that sends.
        send_one: sends a message, and returns why that failed; None: in a process of its own.

    Raises:
        ConfigError: the addresses cannot be read.
        StoreError: the database cannot be used.
    """
    targets, ping = addresses.load_addresses(settings.notify), addresses.ping_address(settings.notify)
    if not targets and not ping:
        return DeliveryReport()
    has_recovered = queue_changes(settings, targets, ping, clock())
    watcher = settings.probe.name
    with notifications.hold_sender_lock(settings.database.url, watcher, patience_s) as held:
        if not held:
            return DeliveryReport()
        sender = _Sender(settings, [*targets, *([ping] if ping else [])], clock, send_one or send)
        return sender.send_waiting(retry_all=has_recovered)


class _Sender:
    """Sends what waits, as the holder of the sender's lock."""

    def __init__(
        self,
        settings: Settings,
        targets: Sequence[Address],
        clock: Callable[[], datetime],
        send_one: Callable[[Outgoing], str],
    ) -> None:
        self._settings, self._clock, self._send_one = settings, clock, send_one
        self._targets = {target.key: target for target in targets}
        self._watcher = settings.probe.name
        self._zone = localtime.resolve_zone(settings.display.timezone, "display.timezone")
        self._until = time.monotonic() + TIME_LIMIT_S
        self._failed: set[str] = set()
        self._digests: dict[str, tuple[RenderedMessage, str]] = {}
        self._folder = ""
        self.report = DeliveryReport()

    def send_waiting(self, *, retry_all: bool) -> DeliveryReport:
        """Send until nothing is due; `retry_all`: do not leave addresses alone that failed before."""
        with tempfile.TemporaryDirectory(prefix="speedmon-notify-") as self._folder:
            self._send_until_done(retry_all=retry_all)
        return self.report

    def _send_until_done(self, *, retry_all: bool) -> None:
        while time.monotonic() < self._until:
            now = int(self._clock().timestamp())
            with open_reader(self._settings.database.url) as connection:
                waiting = notifications.waiting_messages(connection, self._watcher)
                health = notifications.address_health(connection, self._watcher)
                recovering = _recovering_lines(connection, self._settings)
            waiting = [message for message in self._drop_useless(waiting, now) if not _is_held(message, recovering)]
            known = {key: replace(entry, failed_at=None) for key, entry in health.items()} if retry_all else health
            batch = choose_batch(waiting, known, now, skip=self._failed, is_quiet=self._is_quiet())
            if batch is None:
                return
            self._send_batch(batch, health, now)

    def _is_quiet(self) -> bool:
        local = self._clock().astimezone(self._zone)
        return quiet_hours_at(self._settings.notify.quiet, local) is not None

    def _drop_useless(self, waiting: list[QueuedMessage], now: int) -> list[QueuedMessage]:
        """Drop late signs of life, and messages to addresses that are no longer configured."""
        useless = {message.pk for message in queue.late_pings(waiting, now)}
        useless |= {message.pk for message in waiting if message.address not in self._targets}
        if useless:
            with open_writer(self._settings.database.url) as connection:
                notifications.end_messages(connection, useless, MessageStatus.DROPPED, now)
        return [message for message in waiting if message.pk not in useless]

    def _send_batch(self, batch: MessageBatch, health: dict[str, AddressHealth], now: int) -> None:
        target = self._targets[batch.address]
        known = replace(health.get(target.key, AddressHealth(target.key, target.name)), name=target.name)
        outgoing = self._compose(batch, target)
        reason = self._send_one(outgoing)
        if reason:
            self._note_failure(batch, known, reason, now)
        else:
            self._note_success(batch, known, outgoing.title or outgoing.url, now)

    def _compose(self, batch: MessageBatch, target: Address) -> Outgoing:
        deadline_s = self._settings.notify.deadline_s
        if batch.kind is MessageKind.PING:
            failed = msgspec.json.decode(batch.messages[0].document)["failed"]
            return Outgoing(addresses.failed_url(target.url) if failed else target.url, deadline_s=deadline_s)
        if batch.kind is MessageKind.DIGEST:
            return to_outgoing(target, *self._compose_digest(batch.messages[0].document), deadline_s)
        notices = [msgspec.json.decode(message.document, type=Notice) for message in batch.messages]
        message = render_message(merge_notices(notices), text_context(self._settings, self._zone))
        return to_outgoing(target, message, "", deadline_s)

    def _compose_digest(self, document: str) -> tuple[RenderedMessage, str]:
        """Return a digest and the path of its picture, which are made once for all addresses."""
        if document not in self._digests:
            from monitor.notify.summary import compose_digest  # noqa: PLC0415  loads matplotlib, for a digest only

            folder = Path(tempfile.mkdtemp(dir=self._folder))
            context = text_context(self._settings, self._zone)
            self._digests[document] = compose_digest(self._settings, document, context, folder)
        return self._digests[document]

    def _note_success(self, batch: MessageBatch, known: AddressHealth, title: str, now: int) -> None:
        shown = None if batch.kind is MessageKind.PING else title
        with open_writer(self._settings.database.url) as connection:
            sent = [message.pk for message in batch.messages]
            notifications.end_messages(connection, sent, MessageStatus.SENT, now, shown)
            if batch.obsolete:
                obsolete = [message.pk for message in batch.obsolete]
                notifications.end_messages(connection, obsolete, MessageStatus.DROPPED, now)
            notifications.save_health(connection, self._watcher, queue.after_success(known, now))
        self.report.sent.append(f"{known.name}: {shown or 'sign of life'}")

    def _note_failure(self, batch: MessageBatch, known: AddressHealth, reason: str, now: int) -> None:
        self._failed.add(batch.address)
        self.report.errors.append(f"{known.name}: {reason}")
        with open_writer(self._settings.database.url) as connection:
            notifications.note_error(connection, [message.pk for message in batch.messages], reason)
            health = queue.after_failure(known, now, reason, line_is_down=line_is_down(connection, self._watcher))
            notifications.save_health(connection, self._watcher, health)


def _recovering_lines(connection: Connection, settings: Settings) -> set[tuple[str, str]]:
    """Return the probes and paths that are down, but whose last test was good."""
    probes = watched_probes(connection, settings)
    memories = ((probe, load_memory(connection, settings.probe.name, probe)) for probe in probes)
    return {
        (probe, path)
        for probe, memory in memories
        if memory
        for path, of_path in memory.paths.items()
        if (down := of_path.watches.get(AlertKind.DOWN)) and down.is_active and not down.points[-1].bad
    }


def _is_held(message: QueuedMessage, recovering: set[tuple[str, str]]) -> bool:
    """Return whether a message is about a line that is recovering: what could not be sent before has an end soon."""
    if message.kind != MessageKind.ALERT or not recovering:
        return False
    notice = msgspec.json.decode(message.document, type=Notice)
    return notice.alert is AlertKind.DOWN and (notice.probe, notice.path) in recovering


def line_is_down(connection: Connection, watcher: str) -> bool:
    """Return whether the line of this installation fails, be it for one test only: then no address is to blame."""
    memory = load_memory(connection, watcher, watcher)
    if memory is None:
        return False
    downs = (path.watches.get(AlertKind.DOWN) for path in memory.paths.values())
    return any(down.is_active or (down.points and down.points[-1].bad) for down in downs if down)


def to_outgoing(target: Address, message: RenderedMessage, picture: str, deadline_s: int) -> Outgoing:
    """Return a message for an address."""
    return Outgoing(target.url, message.title, message.text, message.html, picture, deadline_s)


def text_context(settings: Settings, zone: ZoneInfo) -> TextContext:
    """Return what the texts depend on."""
    return TextContext(zone, page_url(settings), settings.notify.templates)


def page_url(settings: Settings) -> str:
    """Return the address of the page without a slash at its end; empty if it is not known."""
    web = settings.web
    if settings.notify.page_url:
        return settings.notify.page_url.rstrip("/")
    if not web.port:
        return ""
    host = socket.gethostname() if web.host in {"", "0.0.0.0", "::"} else web.host  # noqa: S104  compared, not bound
    return f"http://[{host}]:{web.port}" if ":" in host else f"http://{host}:{web.port}"


def send(outgoing: Outgoing) -> str:
    """Send a message in a process of its own; return why that failed, else ""."""
    return run_sender("monitor.notify.send", msgspec.json.encode(outgoing), outgoing.deadline_s, "apprise")


def run_sender(module: str, document: bytes, deadline_s: int, library: str) -> str:
    """Run a process that sends a document, and kill it at the deadline; return why that failed, else "".

    Args:
        module: what is run; its exit codes are those of `monitor.notify.send`.
        document: JSON for its stdin.
        deadline_s: seconds.
        library: what it needs.
    """
    command = [sys.executable, "-P", "-m", module]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            answer, _ = process.communicate(document, timeout=deadline_s)
        except subprocess.TimeoutExpired:
            return f"no answer within {deadline_s} s"
        finally:
            if process.poll() is None:  # not reaped yet: its process group cannot be another's
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode == EXIT_NO_LIBRARY:
        return f"{library} is missing: {install_command(library)}"
    if process.returncode == -signal.SIGALRM:
        return f"no answer within {deadline_s} s"
    reason = answer.decode(errors="replace")[:300]
    return reason or (f"the sender ended with {process.returncode}" if process.returncode else "")
