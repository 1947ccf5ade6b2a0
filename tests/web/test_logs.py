"""The log: a line that repeats is counted, and lines that differ are bounded."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from web.logs import MAX_LINES, OTHER_LINES, QUIET_S, RepeatCounter


@dataclass(slots=True)
class Clock:
    """A clock that a test sets."""

    now: float = 0.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return a clock at 0."""
    return Clock()


def test_a_line_that_repeats_is_written_once_a_minute_with_its_count(clock: Clock):
    """It is written when it first comes, then counted, and written with the count when the minute is over."""
    repeats = RepeatCounter(clock)
    assert repeats.count("broken") == ["broken"]
    assert [repeats.count("broken") for _ in range(1500)] == [[]] * 1500
    clock.now = QUIET_S
    assert repeats.due() == ["broken (and 1,500 more)"]
    assert repeats.count("broken") == []
    assert repeats.due(at_once=True) == ["broken (and 1 more)"]
    assert repeats.due(at_once=True) == []


def test_a_line_that_comes_once_a_minute_is_written_each_time(clock: Clock):
    """What does not repeat quickly is not delayed."""
    repeats = RepeatCounter(clock)
    for minute in range(5):
        clock.now = minute * QUIET_S
        assert repeats.count("missed") == ["missed"]


def test_different_lines_are_bounded(clock: Clock):
    """A flood of lines that all differ becomes a number."""
    repeats = RepeatCounter(clock)
    written = [line for number in range(10 * MAX_LINES) for line in repeats.count(f"line {number}")]
    assert len(written) == MAX_LINES
    clock.now = QUIET_S
    assert repeats.due() == [f"{OTHER_LINES} (and {9 * MAX_LINES} more)"]
    assert repeats.count("line 1") == ["line 1"]
