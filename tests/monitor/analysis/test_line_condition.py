"""The state of the line: a table of the last runs, and what is said of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from example_runs import START, make_attempt

from monitor.analysis.line_condition import LineCondition, StateLimits, judge_line
from monitor.analysis.watches import WatchRule
from monitor.model import ExpectedRates, Failure, FailureKind, Plan, Scope, Status

if TYPE_CHECKING:
    from monitor.model import Run

PLAN = [(START - timedelta(days=999), Plan(download_bps=100_000_000, upload_bps=20_000_000))]

NO_PLAN: list[tuple[datetime, Plan]] = []

# A letter for each run, newest last: good, slow (4 % of the plan), doubtful, failed by line, provider, configuration,
# this machine or nobody knows what, skipped, interrupted.
RATES = {"g": (95_000_000, 19_000_000), "s": (4_000_000, 19_000_000), "u": (95_000_000, 1_000_000), "d": (1, 1)}

SCOPES = {"L": Scope.LINE, "P": Scope.PROVIDER, "C": Scope.CONFIG, "M": Scope.LOCAL, "?": Scope.UNKNOWN}

HOUR = timedelta(hours=1)


def make_run(letter: str, started_at: datetime) -> Run:
    """Return the run of a letter."""
    if letter in RATES:
        down, up = RATES[letter]
        healthy = False if letter == "d" else None
        return make_attempt(
            started_at=started_at, id=str(started_at), download_bps=down, upload_bps=up, healthy=healthy
        ).run
    statuses = {"-": Status.SKIPPED, "x": Status.INTERRUPTED}
    failure = Failure(FailureKind.TIMEOUT, SCOPES.get(letter, Scope.LOCAL), "download", "")
    return make_attempt(
        started_at=started_at, id=str(started_at), status=statuses.get(letter, Status.FAILED), failure=failure
    ).run


def make_runs(letters: str, gap: timedelta = HOUR) -> list[Run]:
    """Return the runs of letters, newest first; the last letter ran at START."""
    return [make_run(letter, START - gap * number) for number, letter in enumerate(reversed(letters))]


@pytest.mark.parametrize(
    ("letters", "state", "since"),
    [
        ("", LineCondition.UNKNOWN, None),
        ("-", LineCondition.UNKNOWN, None),
        ("x-", LineCondition.UNKNOWN, None),
        ("d", LineCondition.UNKNOWN, None),
        ("g", LineCondition.GOOD, 0),
        ("gggg", LineCondition.GOOD, 3),
        ("gLg", LineCondition.GOOD, 0),
        ("ggg-", LineCondition.GOOD, 3),
        ("gggx", LineCondition.GOOD, 3),
        ("gggd", LineCondition.GOOD, 3),
        ("gggP", LineCondition.GOOD, 3),
        ("s", LineCondition.SLOW, 0),
        ("u", LineCondition.SLOW, 0),
        ("ggggs", LineCondition.SLOW, 0),
        ("ggsss", LineCondition.SLOW, 2),
        ("sssg", LineCondition.SLOW, 3),
        ("gssd", LineCondition.SLOW, 2),
        ("gggsg", LineCondition.GOOD, 0),
        ("gggsP", LineCondition.SLOW, 1),
        ("ggL", LineCondition.FAILING, 0),
        ("LLL", LineCondition.FAILING, 2),
        ("gLLg", LineCondition.FAILING, 2),
        ("gLPL", LineCondition.FAILING, 2),
        ("LLP", LineCondition.FAILING, 2),
        ("gLL-", LineCondition.FAILING, 2),
        ("ssL", LineCondition.FAILING, 0),
        ("gggC", LineCondition.UNKNOWN, 0),
        ("ggMM", LineCondition.UNKNOWN, 1),
        ("ggg?", LineCondition.UNKNOWN, 0),
        ("LLC", LineCondition.UNKNOWN, 0),
        ("P", LineCondition.UNKNOWN, None),
        ("g" + "P" * 9, LineCondition.STALE, 9),
        ("g" + "-" * 9, LineCondition.STALE, 9),
    ],
)
def test_the_state_of_the_last_runs(letters: str, state: LineCondition, since: int | None):
    """No tick on a line that is slow, fails, or of which nothing is known; `since` is the first run of that kind."""
    report = judge_line(make_runs(letters), PLAN, START + HOUR / 4)
    assert report.state is state
    assert report.since == (None if since is None else START - HOUR * since)


@pytest.mark.parametrize(
    ("letters", "age", "state"),
    [
        ("gggg", timedelta(hours=6), LineCondition.GOOD),
        ("gggg", timedelta(hours=6, seconds=1), LineCondition.STALE),
        ("ssss", timedelta(days=3), LineCondition.STALE),
        ("LLLL", timedelta(days=3), LineCondition.STALE),
        ("gCCC", timedelta(days=3), LineCondition.STALE),
        ("g", timedelta(days=3), LineCondition.STALE),
    ],
)
def test_old_runs_say_nothing_of_now(letters: str, age: timedelta, state: LineCondition):
    """After some hours without an attempt the state is stale, whatever it was."""
    assert judge_line(make_runs(letters), PLAN, START + age).state is state


@pytest.mark.parametrize(
    ("age_h", "state"), [(30, LineCondition.GOOD), (60, LineCondition.GOOD), (61, LineCondition.STALE)]
)
def test_rare_tests_are_stale_later(age_h: int, state: LineCondition):
    """With a test a day, a result of yesterday is not stale."""
    runs = make_runs("ggg", timedelta(days=1))
    assert judge_line(runs, PLAN, START + timedelta(hours=age_h)).state is state


@pytest.mark.parametrize(
    ("letters", "state"),
    [
        ("s", LineCondition.GOOD),
        ("gggs", LineCondition.GOOD),
        ("gggggs", LineCondition.SLOW),
        ("sssss", LineCondition.GOOD),
    ],
)
def test_without_a_plan_a_line_is_compared_with_what_is_normal(letters: str, state: LineCondition):
    """Five results make a median; a line that was never faster is not slow."""
    assert judge_line(make_runs(letters), NO_PLAN, START).state is state


def test_the_report_has_what_is_normal_and_the_last_result():
    """The medians are those of results that can be trusted, and the last result may be older than the last run."""
    report = judge_line(make_runs("gggggsdL"), PLAN, START)
    assert report.normal == ExpectedRates(95_000_000, 19_000_000)
    assert report.result is not None
    assert report.result.started_at == START - 2 * HOUR


@pytest.mark.parametrize(("letters", "is_older"), [("gLL", False), ("LL", True), ("L", False), ("CLL", True)])
def test_a_state_may_have_begun_before_the_oldest_run_at_hand(letters: str, is_older: bool):
    """If all that tell of the line were like that, it may have been so for longer."""
    assert judge_line(make_runs(letters), PLAN, START).is_older is is_older


def test_the_limits_can_be_chosen():
    """How many tests, of how many, and how low."""
    limits = StateLimits(slow=WatchRule(1, 2, 1), below_pct=3)
    assert judge_line(make_runs("ss"), PLAN, START, limits).state is LineCondition.GOOD
    assert judge_line(make_runs("dgsg"), PLAN, START, StateLimits(slow=WatchRule(1, 2, 2))).state is LineCondition.SLOW
