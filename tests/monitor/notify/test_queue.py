"""Which message is sent next, and what becomes of several."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.analysis.watches import NewsKind
from monitor.notify.judgements import AlertKind
from monitor.notify.queue import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    PING_LIFE_S,
    MessageKind,
    after_failure,
    after_success,
    choose_batch,
    is_resting,
    late_pings,
    merge_notices,
)
from monitor.notify.states import Notice
from monitor.store.notifications import AddressHealth, QueuedMessage

NOW = 1_800_000_000


def notice(change: NewsKind, began: int, alert: AlertKind = AlertKind.DOWN, **others: object) -> Notice:
    """Return a notice; an end is an hour after the beginning."""
    ended = began + 3600 if change is NewsKind.ENDED else None
    return replace(Notice(alert, change, "home", "ip4only", began + 100, began, ended), **others)  # type: ignore[arg-type]


def queued(pk: int, kind: MessageKind = MessageKind.ALERT, address: str = "a") -> QueuedMessage:
    """Return a message that waits."""
    return QueuedMessage(pk, address, f"json://{address}/…", kind.value, "{}", NOW)


def summary(notices: list[Notice]) -> list[tuple[str, str, int, bool]]:
    """Return the items of one message."""
    return [(item.notice.alert, item.notice.change, item.notice.began, item.is_news) for item in merge_notices(notices)]


def test_an_outage_that_ended_meanwhile_is_one_item():
    """From when to when, in one sentence; several of them are several items of one message."""
    outages = [notice(change, began) for began in (1000, 9000, 20_000) for change in (NewsKind.BEGAN, NewsKind.ENDED)]
    assert summary(outages) == [("down", "ended", began, True) for began in (1000, 9000, 20_000)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([NewsKind.BEGAN], ("began", True)),
        ([NewsKind.ENDED], ("ended", False)),
        ([NewsKind.BEGAN, NewsKind.REMINDER, NewsKind.REMINDER], ("began", True)),
        ([NewsKind.REMINDER, NewsKind.REMINDER], ("reminder", False)),
        ([NewsKind.REMINDER, NewsKind.ENDED], ("ended", False)),
        ([NewsKind.BEGAN, NewsKind.REMINDER, NewsKind.ENDED], ("ended", True)),
    ],
)
def test_the_newest_notice_of_a_state_counts(changes: list[NewsKind], expected: tuple[str, bool]):
    """A reminder says nothing that its beginning does not, and nothing once the state has ended."""
    assert summary([notice(change, 1000) for change in changes]) == [("down", expected[0], 1000, expected[1])]


def test_states_probes_and_changes_stay_apart():
    """Two states that began at once, two probes, and two changes of an address are two items each."""
    assert len(merge_notices([notice(NewsKind.BEGAN, 1), notice(NewsKind.BEGAN, 1, AlertKind.SLOW)])) == 2
    assert len(merge_notices([notice(NewsKind.BEGAN, 1), notice(NewsKind.BEGAN, 1, probe="cabin")])) == 2
    changed = notice(NewsKind.CHANGED, 1, AlertKind.ADDRESS, before="a", after="b")
    assert len(merge_notices([changed, replace(changed, began=2, before="b", after="a")])) == 2


def test_everything_that_waits_for_an_address_is_one_message():
    """Of digests, the newest is sent; a sign of life comes first and alone."""
    waiting = [queued(1, MessageKind.DIGEST), queued(2), queued(3), queued(4, MessageKind.DIGEST)]
    alerts = choose_batch(waiting, {}, NOW)
    assert alerts
    assert [message.pk for message in alerts.messages] == [2, 3]
    digest = choose_batch([waiting[0], waiting[3]], {}, NOW)
    assert digest
    assert [message.pk for message in digest.messages] == [4]
    assert [message.pk for message in digest.obsolete] == [1]
    pings = [queued(5, MessageKind.PING), queued(6, MessageKind.PING)]
    first = choose_batch([*waiting, *pings], {}, NOW)
    assert first
    assert [message.pk for message in first.messages] == [5]


def test_in_quiet_hours_only_signs_of_life_are_sent():
    """Messages wait for the end of the quiet hours."""
    assert choose_batch([queued(1), queued(2, MessageKind.DIGEST)], {}, NOW, is_quiet=True) is None
    assert choose_batch([queued(1), queued(2, MessageKind.PING)], {}, NOW, is_quiet=True) is not None


def test_a_broken_address_stops_no_other():
    """It comes last, and is left alone for a while that grows."""
    health = AddressHealth("a", "json://a/…")
    broken = after_failure(health, NOW, "no", line_is_down=False)
    waiting = [queued(1), queued(2, address="b")]
    later = NOW + FIRST_PAUSE_S
    assert [batch and batch.address for batch in (
        choose_batch(waiting, {"a": broken}, NOW),
        choose_batch(waiting, {"a": broken}, NOW, skip={"b"}),
        choose_batch(waiting, {"a": broken}, later),
        choose_batch(waiting, {"a": broken}, later, skip={"b"}),
    )] == ["b", None, "b", "a"]  # fmt: skip


def test_the_pause_after_failures_has_a_limit():
    """A minute, doubled by each failure, up to an hour; a success ends it, and so does a clock that was set back."""
    health, pauses = AddressHealth("a", "a"), []
    for _ in range(9):
        health = after_failure(health, NOW, "no", line_is_down=False)
        pauses.append(next(s for s in range(0, 4000, 60) if not is_resting(health, NOW + s)))
    assert pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600, LONGEST_PAUSE_S]
    assert not is_resting(after_success(health, NOW), NOW)
    assert not is_resting(health, NOW - 1)


def test_no_address_is_to_blame_while_the_line_is_down():
    """Its failures are not counted then."""
    health = AddressHealth("a", "a")
    assert after_failure(health, NOW, "no", line_is_down=True) == health


def test_a_late_sign_of_life_is_dropped():
    """A quarter of an hour is late; other messages are never too late."""
    waiting = [queued(1, MessageKind.PING), queued(2)]
    assert late_pings(waiting, NOW + PING_LIFE_S) == []
    assert [message.pk for message in late_pings(waiting, NOW + PING_LIFE_S + 1)] == [1]
