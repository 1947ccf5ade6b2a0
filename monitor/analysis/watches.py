"""When a state begins and ends: so many bad tests of the last so many, and enough good ones in a row. Pure.

A watch depends on the tests alone, in their order, and not on how many of them are added at a time: each change of
state is returned exactly once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import takewhile

# A new value must be measured so often in a row: one odd answer is no change.
CONFIRMATIONS = 2

# An address that changed so often in so many seconds is a dynamic one, whose changes are no news.
DYNAMIC_CHANGES, DYNAMIC_SPAN_S = 3, 7 * 86_400


class NewsKind(StrEnum):
    """What happened to a state; CHANGED: a value is another one, which neither lasts nor ends."""

    BEGAN = "began"
    ENDED = "ended"
    REMINDER = "reminder"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class WatchRule:
    """A state begins when `bad` of the last `of` tests are bad, and ends when `good` tests in a row are good.

    `patience_s`: or so many seconds after a good test that no bad one followed, as where tests are rare the second good
    one may be hours away; 0: never.
    """

    bad: int
    of: int
    good: int
    patience_s: int = 0

    @classmethod
    def from_text(cls, text: str, patience_s: int = 0) -> WatchRule:
        """Return the rule of a setting such as "2 of 3"; it takes as many good tests to end the state."""
        bad, _, of = text.partition(" of ")
        return cls(int(bad), int(of), int(bad), patience_s)


@dataclass(frozen=True, slots=True)
class TestPoint:
    """What a test means for a state; `test` is the id of its first attempt, `at` its start in epoch seconds."""

    test: str
    at: int
    bad: bool
    run_id: str = ""
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Watch:
    """The memory of a state: the newest tests and, while it lasts, since when, the first bad test, and how many."""

    points: tuple[TestPoint, ...] = ()
    began: int | None = None
    run_id: str = ""
    evidence: str = ""
    bad_tests: int = 0
    reminded_at: int | None = None

    @property
    def is_active(self) -> bool:
        """Whether the state lasts."""
        return self.began is not None

    def has(self, test: str) -> bool:
        """Return whether an attempt of a test is the newest point."""
        return bool(self.points) and self.points[-1].test == test


@dataclass(frozen=True, slots=True)
class WatchChange:
    """A change of state: when it showed (`at`), and from when to when the state lasted."""

    change: NewsKind
    at: int
    began: int
    ended: int | None
    run_id: str
    evidence: str
    bad_tests: int


def add_point(watch: Watch, rule: WatchRule, point: TestPoint) -> tuple[Watch, WatchChange | None]:
    """Return the watch after a test, and the change that the test made; a later attempt replaces the one before."""
    points = (*(watch.points[:-1] if watch.has(point.test) else watch.points), point)[-max(rule.of, rule.good) :]
    watch = replace(watch, points=points)
    return _end_if_due(watch, rule) if watch.is_active else _begin_if_due(watch, rule)


def _begin_if_due(watch: Watch, rule: WatchRule) -> tuple[Watch, WatchChange | None]:
    bad = [point for point in watch.points[-rule.of :] if point.bad]
    if len(bad) < rule.bad:
        return watch, None
    first, at = bad[0], watch.points[-1].at
    return begin(watch, at, replace(first, evidence=first.evidence or bad[-1].evidence), len(bad))


def begin(watch: Watch, at: int, first: TestPoint, bad_tests: int = 0) -> tuple[Watch, WatchChange]:
    """Return the watch with the state begun at `first`, which showed at `at`."""
    watch = replace(
        watch, began=first.at, run_id=first.run_id, evidence=first.evidence, bad_tests=bad_tests, reminded_at=at
    )
    return watch, _to_change(watch, NewsKind.BEGAN, at, first.at)


def _end_if_due(watch: Watch, rule: WatchRule) -> tuple[Watch, WatchChange | None]:
    last = watch.points[-rule.good :]
    if watch.points[-1].bad:
        return replace(watch, bad_tests=watch.bad_tests + 1), None
    if len(last) < rule.good or any(point.bad for point in last):
        return watch, None
    return end(replace(watch, points=last), watch.points[-1].at, last[0].at)


def end_after_patience(watch: Watch, rule: WatchRule, now: int) -> tuple[Watch, WatchChange | None]:
    """Return the watch with the state ended if its last test was good, and long enough before `now`."""
    last = watch.points[-1] if watch.points else None
    if not watch.is_active or last is None or last.bad or not rule.patience_s or now < last.at + rule.patience_s:
        return watch, None
    good = [*takewhile(lambda point: not point.bad, reversed(watch.points))][::-1]
    return end(replace(watch, points=(*good,)), last.at + rule.patience_s, good[0].at)


def end(watch: Watch, at: int, ended: int) -> tuple[Watch, WatchChange | None]:
    """Return the watch with the state ended, which showed at `at`; no change if it did not last."""
    if watch.began is None:
        return watch, None
    change = replace(_to_change(watch, NewsKind.ENDED, at, watch.began), ended=ended)
    return Watch(watch.points), change


def remind(watch: Watch, every_s: int, now: int) -> tuple[Watch, WatchChange | None]:
    """Return the watch and the reminder that is due; one, however many were missed."""
    if watch.began is None or watch.reminded_at is None or not every_s or now - watch.reminded_at < every_s:
        return watch, None
    due = now - (now - watch.reminded_at) % every_s
    return replace(watch, reminded_at=due), _to_change(watch, NewsKind.REMINDER, now, watch.began)


def current_change(watch: Watch, now: int) -> WatchChange | None:
    """Return the beginning of a state that lasts, as it is reported by a program that did not see it begin."""
    return None if watch.began is None else _to_change(watch, NewsKind.BEGAN, now, watch.began)


def _to_change(watch: Watch, change: NewsKind, at: int, began: int) -> WatchChange:
    return WatchChange(change, at, began, None, watch.run_id, watch.evidence, watch.bad_tests)


@dataclass(frozen=True, slots=True)
class ValueWatch:
    """The memory of a value such as the ISP: the confirmed one, and another that was measured since."""

    value: str | None = None
    candidate: str | None = None
    times: int = 0
    at: int = 0
    run_id: str = ""
    changed_at: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ValueChange:
    """A confirmed change of a value; `often`: it changed so often that further changes are not reported."""

    at: int
    before: str
    after: str
    run_id: str
    often: bool = False


def add_value(watch: ValueWatch, value: str, at: int, run_id: str) -> tuple[ValueWatch, ValueChange | None]:
    """Return the watch after a measured value, and the change that it confirmed."""
    if watch.value is None or value == watch.value:
        return replace(watch, value=value, candidate=None, times=0), None
    if value != watch.candidate:
        watch = replace(watch, candidate=value, times=0, at=at, run_id=run_id)
    watch = replace(watch, times=watch.times + 1)
    if watch.times < CONFIRMATIONS:
        return watch, None
    recent = (*(moment for moment in watch.changed_at if watch.at - moment < DYNAMIC_SPAN_S), watch.at)
    change = ValueChange(watch.at, watch.value or "", value, watch.run_id, often=len(recent) == DYNAMIC_CHANGES)
    watch = ValueWatch(value, changed_at=recent[-DYNAMIC_CHANGES - 1 :])
    return watch, None if len(recent) > DYNAMIC_CHANGES else change
