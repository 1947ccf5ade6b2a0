"""Tests compared with rules: each condition met, not met or open, and the figures that led to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from example_reports import failed, run, subject
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.model import Plan, Remark
from monitor.report.evidence import gather_evidence
from monitor.report.rules import (
    ConditionAnswer,
    ConditionResult,
    DaysWithMiss,
    DaysWithout,
    ProfileResult,
    RequiredLevel,
    RuleProfile,
    SampleRules,
    TooFewTests,
    load_profile,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.model import Run
    from monitor.report.rules import AnyCondition


DAY, EVERY = 1440, 60

PLAN = Plan(download_bps=100_000_000)

NINETY = RequiredLevel(percent_of_plan=90)

DOWN: dict[str, Any] = {"name": "Down", "metric": "download", "level": NINETY}

WITHOUT = DaysWithout(**DOWN, days=2, of_days=3)

MISS = DaysWithMiss(**DOWN, days=2, of_days=3)

FEW = TooFewTests(**DOWN, percent=90)


def _verdict(
    runs: Sequence[Run], *rules: AnyCondition, sample: SampleRules | None = None, plan: Plan = PLAN
) -> ProfileResult:
    profile = RuleProfile(name="Ours", notice="", sample=sample or SampleRules(), conditions=rules)
    result = gather_evidence(subject(runs, days=30, rules=profile, plan=plan)).compliance
    assert result
    return result


def _outcome(runs: Sequence[Run], rule: AnyCondition, **more: Any) -> ConditionResult:
    return _verdict(runs, rule, **more).results[0]


def _days(*rates: Sequence[float], **changes: Any) -> list[Run]:
    """Return a test each hour from 02:00 local time on, a day a list of rates in Mbit/s."""
    return [
        run(DAY * day + EVERY * hour, download_bps=round(rate * 1e6), **changes)
        for day, listed in enumerate(rates)
        for hour, rate in enumerate(listed)
    ]


GOOD, BAD, MIXED = [95.0] * 4, [80.0] * 4, [80.0, 95.0, 80.0, 80.0]


@pytest.mark.parametrize(
    ("rule", "days", "answer", "bad_days", "needed"),
    [
        (WITHOUT, [GOOD, BAD, BAD], ConditionAnswer.MET, 2, 2),
        (WITHOUT, [GOOD, BAD, MIXED], ConditionAnswer.NOT_MET, 1, 2),
        (WITHOUT, [BAD, BAD, BAD, GOOD, GOOD], ConditionAnswer.NOT_MET, 3, 4),
        (WITHOUT, [BAD, BAD, BAD, BAD, GOOD], ConditionAnswer.MET, 4, 4),
        (MISS, [GOOD, MIXED, BAD], ConditionAnswer.MET, 2, 2),
        (MISS, [GOOD, GOOD, MIXED], ConditionAnswer.NOT_MET, 1, 2),
        (DaysWithMiss(**DOWN, days=2), [GOOD] * 8 + [MIXED] * 2, ConditionAnswer.MET, 2, 2),
    ],
)
def test_days_count_as_so_many_of_so_many(
    rule: AnyCondition, days: list[list[float]], answer: ConditionAnswer, bad_days: int, needed: int
):
    """Two of three are four of five: a share is never rounded down. Without of_days it is a plain number."""
    result = _outcome(_days(*days), rule)
    assert (result.answer, result.bad_days, result.needed) == (answer, bad_days, needed)
    assert (result.tests, result.days) == (4 * len(days), len(days))


@pytest.mark.parametrize(("bad", "answer"), [(2, ConditionAnswer.NOT_MET), (3, ConditionAnswer.MET)])
def test_too_few_tests_are_fewer_than_the_share(bad: int, answer: ConditionAnswer):
    """Exactly 90 % of the tests, each at exactly 90 % of the plan, are enough."""
    result = _outcome(_days([90.0] * (20 - bad), [89.999999] * bad), FEW)
    assert (result.answer, result.reached, result.needed) == (answer, 20 - bad, 18)


def test_a_failed_or_doubtful_test_has_no_say():
    """No number stands for it."""
    runs = _days([95.0] * 10)
    more = [failed(1000), failed(1010), run(1020, download_bps=1, healthy=False, remarks=(Remark("proxy", ""),))]
    assert _outcome(runs + more, FEW) == _outcome(runs, FEW)


def test_tests_too_close_and_days_too_thin_are_left_out():
    """Tests each two minutes, of which five minutes leave every third, on one day; a single test on another."""
    runs = [run(2 * number, download_bps=95_000_000) for number in range(30)] + [run(DAY, download_bps=1)]
    result = _outcome(runs, FEW, sample=SampleRules(tests=5, tests_per_day=2, spacing_min=5))
    assert (result.tests, result.days, result.too_close, result.on_thin_days) == (10, 1, 20, 1)
    assert result.answer is ConditionAnswer.NOT_MET


@pytest.mark.parametrize(
    ("sample", "lacking"),
    [
        (SampleRules(tests=13), "12 of at least 13 tests that count"),
        (SampleRules(days=4), "3 of at least 4 days with enough tests"),
        (SampleRules(tests_per_day=5), "0 of at least 1 tests that count"),
    ],
)
def test_a_sample_that_is_too_small_leaves_the_answer_open(sample: SampleRules, lacking: str):
    """However bad the tests are."""
    result = _outcome(_days(BAD, BAD, BAD), WITHOUT, sample=sample)
    assert (result.answer, result.shortage) == (ConditionAnswer.OPEN, lacking)


def test_a_test_counts_as_soon_as_the_spacing_is_over():
    """The one in between is left out, and what comes after it is measured from the last that counts."""
    result = _outcome([run(minutes) for minutes in (0, 30, 60, 119, 120)], FEW, sample=SampleRules(spacing_min=60))
    assert (result.tests, result.too_close) == (3, 2)


def test_without_a_plan_only_an_absolute_level_can_be_judged():
    """One in Mbit/s needs none."""
    runs = _days(BAD)
    result = _outcome(runs, FEW, plan=Plan())
    assert (result.answer, result.without_plan, result.shortage) == (
        ConditionAnswer.OPEN,
        4,
        "the plan names no such speed",
    )
    fixed = TooFewTests(name="Down", metric="download", level=RequiredLevel(mbit_s=81), percent=90)
    assert _outcome(runs, fixed, plan=Plan()).answer is ConditionAnswer.MET


def test_a_latency_reaches_a_level_by_staying_at_or_below_it():
    """In ms, or as a share of the plan's."""
    runs = [run(60 * at, latency_ms=ms) for at, ms in enumerate([20.0, 30.0, 30.001])]
    by_ms = TooFewTests(name="Ping", metric="latency", level=RequiredLevel(ms=30), percent=100)
    by_plan = TooFewTests(name="Ping", metric="latency", level=RequiredLevel(percent_of_plan=150), percent=100)
    assert _outcome(runs, by_ms).reached == 2
    assert _outcome(runs, by_plan, plan=Plan(latency_ms=20.0)).reached == 2


def test_each_test_is_compared_with_its_own_plan():
    """The same rate is enough for the smaller plan and not for the larger one."""
    runs = _days([50.0], [50.0])
    spells = ((runs[0].started_at, PLAN), (runs[1].started_at, Plan(download_bps=50_000_000)))
    profile = RuleProfile(name="", notice="", conditions=(FEW,))
    result = gather_evidence(subject(runs, plan_periods=spells, rules=profile)).compliance
    assert result
    assert result.results[0].reached == 1


def test_one_condition_that_is_met_suffices_and_an_open_one_keeps_the_rest_open():
    """Met goes before open, open before not met."""
    ping = TooFewTests(name="Ping", metric="latency", level=RequiredLevel(percent_of_plan=100), percent=90)
    assert _verdict(_days(BAD), FEW, ping).answer is ConditionAnswer.MET
    assert _verdict(_days(GOOD), FEW, ping).answer is ConditionAnswer.OPEN
    assert _verdict(_days(GOOD), FEW).answer is ConditionAnswer.NOT_MET
    assert _verdict([], FEW, ping).answer is ConditionAnswer.OPEN


def test_the_example_finds_a_line_that_never_reaches_its_plan_and_acquits_a_good_one():
    """Ten tests a day on three days, as the regulator asks."""
    plan = Plan(download_bps=100_000_000, upload_bps=20_000_000)
    bad, good = _days(*[[70.0] * 10] * 3, upload_bps=19_000_000), _days(*[[95.0] * 10] * 3, upload_bps=19_000_000)
    answers = [
        each.answer
        for each in _verdict(bad, *load_profile(None).conditions, sample=load_profile(None).sample, plan=plan).results
    ]
    assert answers == [ConditionAnswer.MET, ConditionAnswer.MET, *[ConditionAnswer.NOT_MET] * 4]
    assert (
        _verdict(good, *load_profile(None).conditions, sample=load_profile(None).sample, plan=plan).answer
        is ConditionAnswer.NOT_MET
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20_000), st.integers(50, 130)), max_size=60), st.integers(1, 4))
def test_days_are_counted_as_a_plain_loop_counts_them(results: list[tuple[int, int]], least: int):
    """Local days of Berlin, over the end of summer time."""
    runs = [run(minute, download_bps=rate * 10**6) for minute, rate in results]
    days: dict[Any, list[bool]] = {}
    for each in runs:
        local = each.started_at.astimezone(subject([]).zone).date()
        days.setdefault(local, []).append((each.download_bps or 0) >= 90_000_000)
    full = [reached for reached in days.values() if len(reached) >= least]
    sample = SampleRules(tests_per_day=least)
    result = _verdict(runs, DaysWithout(**DOWN, days=1), DaysWithMiss(**DOWN, days=1), sample=sample).results
    assert [each.bad_days for each in result] == [
        sum(not any(reached) for reached in full),
        sum(not all(reached) for reached in full),
    ]
    assert result[0].tests == sum(map(len, full))
