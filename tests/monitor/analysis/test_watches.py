"""When a state begins and ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.analysis.watches import (
    NewsKind,
    TestPoint,
    ValueWatch,
    Watch,
    WatchChange,
    WatchRule,
    add_point,
    add_value,
    current_change,
    remind,
)

DAY_S = 86_400


def points(letters: str) -> list[TestPoint]:
    """Return tests at 0, 10, 20 ... seconds: F is bad, others are good."""
    return [
        TestPoint(str(place), 10 * place, letter == "F", f"run {place}", f"reason {place}" if letter == "F" else "")
        for place, letter in enumerate(letters)
    ]


def changes(letters: str, rule: str, watch: Watch | None = None) -> tuple[Watch, list[WatchChange]]:
    """Return the watch after some tests, and all changes."""
    watch, noted = watch or Watch(), []
    for point in points(letters):
        watch, change = add_point(watch, WatchRule.from_text(rule), point)
        noted += [change] if change else []
    return watch, noted


@pytest.mark.parametrize(
    ("rule", "letters", "expected"),
    [
        ("2 of 3", "OFO", []),
        ("2 of 3", "FF", [("began", 10, 0, None)]),
        ("2 of 3", "FOF", [("began", 20, 0, None)]),
        ("2 of 3", "FOOF", []),
        ("2 of 3", "FFFFFF", [("began", 10, 0, None)]),
        ("2 of 3", "FFO", [("began", 10, 0, None)]),
        ("2 of 3", "FFOO", [("began", 10, 0, None), ("ended", 30, 0, 20)]),
        ("2 of 3", "FFOFOFOFO", [("began", 10, 0, None)]),
        ("2 of 3", "FFOOF", [("began", 10, 0, None), ("ended", 30, 0, 20)]),
        ("2 of 3", "FFOOFF", [("began", 10, 0, None), ("ended", 30, 0, 20), ("began", 50, 40, None)]),
        ("1 of 1", "FOF", [("began", 0, 0, None), ("ended", 10, 0, 10), ("began", 20, 20, None)]),
        ("3 of 10", "FOOOOFOOOF", [("began", 90, 0, None)]),
        ("3 of 10", "FOOOOOOOOOFF", []),
    ],
)
def test_a_state_begins_and_ends_once(rule: str, letters: str, expected: list[tuple[str, int, int, int | None]]):
    """It begins with the first bad test of those that count, and ends with the first good one of enough in a row."""
    _, noted = changes(letters, rule)
    assert [(change.change.value, change.at, change.began, change.ended) for change in noted] == expected


def test_a_change_names_the_first_bad_test_and_its_reason():
    """So does the end, with the number of bad tests."""
    _, (began, ended) = changes("OFOFFOO", "2 of 3")
    assert (began.run_id, began.evidence, began.bad_tests) == ("run 1", "reason 1", 2)
    assert (ended.run_id, ended.evidence, ended.bad_tests) == ("run 1", "reason 1", 3)


def test_a_retry_replaces_the_attempt_before():
    """Two attempts of a test are one test."""
    rule, watch, noted = WatchRule.from_text("2 of 3"), Watch(), []
    for test, bad in (("a", True), ("a", True), ("b", True), ("b", False), ("c", False)):
        watch, change = add_point(watch, rule, TestPoint(test, 0, bad))
        noted += [change.change] if change else []
    assert noted == [NewsKind.BEGAN, NewsKind.ENDED]
    assert changes("F", "2 of 3")[1] == []


@given(st.text("FO", max_size=60), st.sampled_from(["1 of 1", "2 of 3", "3 of 4", "5 of 9"]))
def test_beginnings_and_ends_alternate(letters: str, rule: str):
    """No state begins twice or ends twice, and it never ends before it began."""
    watch, noted = changes(letters, rule)
    kinds = [change.change for change in noted]
    assert kinds == [NewsKind.BEGAN, NewsKind.ENDED] * (len(kinds) // 2) + [NewsKind.BEGAN] * watch.is_active
    assert all(change.began <= (change.ended or change.at) <= change.at for change in noted)


@pytest.mark.parametrize(
    ("every_s", "moments", "expected"),
    [
        (0, [1000, 100_000], []),
        (100, [50, 109], []),
        (100, [110, 111, 209, 210], [110, 210]),
        (100, [560, 609, 610], [560, 610]),
    ],
)
def test_a_reminder_is_due_at_intervals(every_s: int, moments: list[int], expected: list[int]):
    """One for each interval since the state was reported at 10, and one for several that were missed."""
    watch, _ = changes("FF", "2 of 3")
    due = []
    for now in moments:
        watch, change = remind(watch, every_s, now)
        due += [change.at] if change else []
    assert due == expected


def test_only_a_state_that_lasts_is_reminded_of():
    """What has not begun, or has ended, is not."""
    ended, _ = changes("FFOO", "2 of 3")
    assert all(remind(watch, 1, 10_000)[1] is None for watch in (Watch(), ended))
    assert (current_change(ended, 0), current_change(Watch(), 0)) == (None, None)


def value_changes(text: str, every_s: int = 10) -> list[tuple[int, str, str, bool]]:
    """Return the changes in measured values, one letter each: time, before, after, often."""
    watch, noted = ValueWatch(), []
    for place, value in enumerate(text):
        watch, change = add_value(watch, value, every_s * place, f"run {place}")
        noted += [(change.at, change.before, change.after, change.often)] if change else []
    return noted


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        ("AAAA", []),
        ("AB", []),
        ("ABABAB", []),
        ("ABB", [(10, "A", "B", False)]),
        ("ABBB", [(10, "A", "B", False)]),
        ("ABCC", [(20, "A", "C", False)]),
        ("ABBAA", [(10, "A", "B", False), (30, "B", "A", False)]),
    ],
)
def test_a_value_changes_when_it_is_confirmed(measured: str, expected: list[tuple[int, str, str, bool]]):
    """The change is that of the first test with the new value."""
    assert value_changes(measured) == expected


def test_a_dynamic_address_is_reported_three_times():
    """The third message says that it is the last; after a week without a change, the next one is reported again."""
    daily = "AABBCCDDEEFFGGHHIIJJKKLL"
    assert [often for *_, often in value_changes(daily, DAY_S // 2)] == [False, False, True]
    assert len(value_changes(daily + "L" * 20 + "MM", DAY_S // 2)) == 4
