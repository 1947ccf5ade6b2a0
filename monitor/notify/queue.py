"""Which message is sent next, to whom, and what becomes of several that wait: one. Pure.

What waits for an address goes out together. A state that began and ended meanwhile is one item.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from monitor.analysis.watches import NewsKind
from monitor.store.notifications import AddressHealth

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from monitor.notify.states import Notice
    from monitor.store.notifications import QueuedMessage

# A sign of life that is late is none.
PING_LIFE_S = 900

# The pause after the first failure of an address, doubled by each one that follows, and the longest.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 60, 3600


class MessageKind(StrEnum):
    """What a message is about."""

    ALERT = "alert"
    DIGEST = "digest"
    PING = "ping"


@dataclass(frozen=True, slots=True)
class MessageBatch:
    """What is sent as one message to one address; `obsolete` are waiting messages that it makes superfluous."""

    address: str
    kind: MessageKind
    messages: tuple[QueuedMessage, ...]
    obsolete: tuple[QueuedMessage, ...] = ()


@dataclass(frozen=True, slots=True)
class NewsItem:
    """What a message says of one state: the newest notice of it; `is_news`: its beginning was not reported before."""

    notice: Notice
    is_news: bool


def merge_notices(notices: Iterable[Notice]) -> list[NewsItem]:
    """Return one item for each state that changed, in the order in which they began."""
    items: dict[object, NewsItem] = {}
    for notice in notices:
        key = (notice.probe, notice.path, notice.alert, notice.began)
        before = items.get(key)
        if notice.change is NewsKind.CHANGED:
            items[*key, notice.after] = NewsItem(notice, is_news=True)
        elif before is None:
            items[key] = NewsItem(notice, is_news=notice.change is NewsKind.BEGAN)
        elif notice.change is not NewsKind.REMINDER or not before.is_news:
            items[key] = NewsItem(_with_evidence_of(before.notice, notice), before.is_news)
    return sorted(items.values(), key=lambda item: item.notice.began)


def _with_evidence_of(earlier: Notice, later: Notice) -> Notice:
    return replace(later, evidence=later.evidence or earlier.evidence, run_id=later.run_id or earlier.run_id)


def late_pings(waiting: Iterable[QueuedMessage], now: int) -> list[QueuedMessage]:
    """Return the signs of life that are too late."""
    return [
        message for message in waiting if message.kind == MessageKind.PING and now - message.created_at > PING_LIFE_S
    ]


def choose_batch(
    waiting: Sequence[QueuedMessage],
    health: Mapping[str, AddressHealth],
    now: int,
    *,
    skip: Collection[str] = (),
    is_quiet: bool = False,
) -> MessageBatch | None:
    """Return what is sent next; None if nothing may be sent now.

    Args:
        waiting: the messages that wait, oldest first.
        health: the health of addresses that were used before; those that work come first.
        now: epoch seconds; an address that failed is left alone for a while.
        skip: addresses that are not tried again now.
        is_quiet: whether these are quiet hours, in which only signs of life are sent.
    """
    sendable = [message for message in waiting if message.kind == MessageKind.PING or not is_quiet]
    for address in _in_order(sendable, health):
        if address not in skip and not is_resting(health.get(address), now):
            return next(_batches_for(address, [message for message in sendable if message.address == address]))
    return None


def _in_order(waiting: Iterable[QueuedMessage], health: Mapping[str, AddressHealth]) -> list[str]:
    addresses = dict.fromkeys(message.address for message in waiting)
    return sorted(addresses, key=lambda address: health[address].failures if address in health else 0)


def _batches_for(address: str, waiting: Sequence[QueuedMessage]) -> Iterator[MessageBatch]:
    by_kind = {kind: tuple(message for message in waiting if message.kind == kind) for kind in MessageKind}
    if pings := by_kind[MessageKind.PING]:
        yield MessageBatch(address, MessageKind.PING, pings[:1])
    if alerts := by_kind[MessageKind.ALERT]:
        yield MessageBatch(address, MessageKind.ALERT, alerts)
    if digests := by_kind[MessageKind.DIGEST]:
        yield MessageBatch(address, MessageKind.DIGEST, digests[-1:], digests[:-1])


def is_resting(health: AddressHealth | None, now: int) -> bool:
    """Return whether an address failed so recently that it is left alone; a failure in the future is ignored."""
    if health is None or not health.failures or health.failed_at is None or health.failed_at > now:
        return False
    # 2**6 minutes exceed the longest pause already.
    pause_s: int = min(FIRST_PAUSE_S * 2 ** min(health.failures - 1, 6), LONGEST_PAUSE_S)
    return now < health.failed_at + pause_s


def after_success(health: AddressHealth, now: int) -> AddressHealth:
    """Return the health of an address that took a message."""
    return AddressHealth(health.address, health.name, sent_at=now)


def after_failure(health: AddressHealth, now: int, error: str, *, line_is_down: bool) -> AddressHealth:
    """Return the health of an address that did not take a message, which is no fault of it while the line is down."""
    return health if line_is_down else replace(health, failures=health.failures + 1, failed_at=now, error=error)
