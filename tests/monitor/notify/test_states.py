"""From stored runs to notices."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from example_runs import DNS, START, make_attempt, make_failed_attempt
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from monitor.analysis.line_condition import (
    HOUR_S,
    LineCondition,
    StateLimits,
    find_line_fault,
    is_result,
    judge_line,
)
from monitor.config.settings import Settings
from monitor.model import Failure, FailureKind, NetworkPath, Plan, Remark, Scope, Status, Trigger
from monitor.notify.judgements import AlertKind, StateRules, StoredRun
from monitor.notify.states import FUTURE_S, Notice, ProbeMemory, evaluate, settle

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from monitor.model import Attempt

RULES = StateRules(kinds=frozenset(AlertKind))

BUSY = Failure(FailureKind.PROVIDER_DOWN, Scope.PROVIDER, "configuration", "document (503)")

CONFIG = Failure(FailureKind.NOT_INSTALLED, Scope.CONFIG, None, "there is no engine")

BROKEN = Failure(FailureKind.NAMESPACE, Scope.LOCAL, None, "there is no namespace")

PAUSED = Failure(FailureKind.UNKNOWN, Scope.LOCAL, "paused", "paused until 2026-11-24T00:00:00Z")

BUDGET = Failure(FailureKind.UNKNOWN, Scope.LOCAL, "budget", "the tests of this month have used 5.00 of 5 GB")

LOCKED = Failure(FailureKind.UNKNOWN, Scope.LOCAL, "lock", "another speed test is running")

# What a letter stands for; a test is an hour after the one before.
LETTERS: dict[str, dict[str, Any]] = {
    "o": {},
    "s": {"download_bps": 20_000_000},
    "u": {"upload_bps": 1000},
    "d": {"healthy": False, "download_bps": 1000},
    "w": {"healthy": False, "remarks": (Remark("wrong_family", "measured over IPv6"),)},
    "i": {"isp": "Other"},
    "a": {"external_ip": "203.0.113.9"},
    "F": {"failure": DNS},
    "P": {"failure": BUSY},
    "C": {"failure": CONFIG},
    "N": {"failure": BROKEN},
    "B": {"status": Status.SKIPPED, "failure": BUDGET},
    "Q": {"status": Status.SKIPPED, "failure": PAUSED},
    "L": {"status": Status.SKIPPED, "failure": LOCKED},
    "X": {"status": Status.INTERRUPTED},
}


def make_runs(letters: str, **changes: Any) -> list[StoredRun]:
    """Return one run for each letter, an hour apart; a space is an hour without a test."""
    attempts = [
        (place, make_one(60 * place, LETTERS[letter] | changes))
        for place, letter in enumerate(letters)
        if letter != " "
    ]
    return [StoredRun(place + 1, attempt.run, attempt.plan) for place, attempt in attempts]


def make_one(minutes: float, changes: dict[str, Any]) -> Attempt:
    """Return the attempt with these changes."""
    if "failure" in changes and "status" not in changes:
        made = make_failed_attempt(minutes, changes["failure"])
        others = {name: value for name, value in changes.items() if name != "failure"}
        return replace(made, run=replace(made.run, **others))
    return make_attempt(minutes, **changes)


def seconds(hours: float) -> int:
    """Return a time in hours after the first test as epoch seconds."""
    return int(START.timestamp() + hours * HOUR_S)


def notices(rows: Sequence[StoredRun], rules: StateRules = RULES, **options: Any) -> list[Notice]:
    """Return the notices of runs after one good test that is history; now is a minute after the last."""
    first = make_runs("o")[0]
    before = evaluate(
        None, "home", [replace(first, run=replace(first.run, started_at=START))], rules, seconds(0)
    ).memory
    rows = [row for row in rows if row.run.id != first.run.id]
    now = options.pop("now", None) or int(rows[-1].run.finished_at.timestamp()) + 60
    return list(evaluate(before, "home", rows, rules, now, **options).notices)


def words(found: Iterable[Notice]) -> list[str]:
    """Return notices as words: down began."""
    return [f"{notice.alert} {notice.change}" for notice in found]


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("ooo", []),
        ("oFo", []),
        ("oFF", ["down began"]),
        ("oFoF", ["down began"]),
        ("oFFoo", ["down began", "down ended"]),
        ("oFFFFFFFF", ["down began"]),
        # A provider's failures are no outage, and prove that the line works.
        ("oPPPP", ["provider began"]),
        ("oFFPP", ["down began", "down ended", "provider began"]),
        ("oFFPPoo", ["down began", "down ended", "provider began", "provider ended"]),
        # This machine's failures say nothing of the line.
        ("oFCF", ["down began"]),
        ("oFFCCo", ["down began"]),
        ("oFXLF", ["down began"]),
        ("osso", []),
        ("osss", ["slow began"]),
        ("ouuu", []),
        ("osssooo", ["slow began", "slow ended"]),
        ("osFsFs", ["down began", "slow began"]),
        ("oddd", []),
        ("ow", []),
        ("oww", ["path began"]),
        ("owwoo", ["path began", "path ended"]),
        ("oi", []),
        ("oii", ["isp changed"]),
        ("oiioo", ["isp changed", "isp changed"]),
        ("oaa", ["address changed"]),
        ("oB", ["budget began"]),
        ("oBBBB", ["budget began"]),
        ("oBoo", ["budget began", "budget ended"]),
        ("oBoB", ["budget began"]),
        ("oN", []),
        ("oNN", ["namespace began"]),
        ("oNNo", ["namespace began", "namespace ended"]),
        ("o      o", ["stale began", "stale ended"]),
        ("o    o", []),
        # Skipped because another test runs is no result, skipped as the user wished is one.
        ("oLLLLLLLo", ["stale began", "stale ended"]),
        ("oBBBBBBBB", ["budget began"]),
        ("oQQQQQQQQo", []),
    ],
)
def test_each_state_begins_and_ends_once(letters: str, expected: list[str]):
    """However long it lasts, there is one notice when it begins and one when it ends."""
    assert words(notices(make_runs(letters))) == expected


def test_a_line_that_works_again_is_reported_within_half_an_hour():
    """Where the next test is hours away; a test that runs may still find that it does not work."""
    rows = make_runs("oFFo")
    lasting = evaluate(None, "home", rows, RULES, seconds(3.4)).memory
    assert words(evaluate(lasting, "home", [], RULES, seconds(3.6), testing=True).notices) == []
    (ended,) = evaluate(lasting, "home", [], RULES, seconds(3.6)).notices
    assert (ended.change, ended.began, ended.ended, ended.at) == ("ended", seconds(1), seconds(3), seconds(3.5))
    slow = evaluate(None, "home", make_runs("osssoo"), RULES, seconds(5.1)).memory
    assert words(evaluate(slow, "home", [], RULES, seconds(8)).notices) == []


def minutes(letters: str, gap: float) -> list[StoredRun]:
    """Return one run for each letter, so many minutes apart."""
    attempts = [make_one(gap * place, LETTERS[letter]) for place, letter in enumerate(letters)]
    return [StoredRun(place + 1, attempt.run, attempt.plan) for place, attempt in enumerate(attempts)]


def test_a_line_that_flaps_is_down_until_it_is_quiet():
    """A good test every other time, ten minutes apart, ends nothing."""
    assert words(notices(minutes("oFFoFoFoFoF", 10))) == ["down began"]
    assert words(notices(minutes("oFFoFoFoFoo", 10))) == ["down began", "down ended"]


@given(st.text("ooosssFFFuPCNXLd", min_size=1, max_size=40), st.sampled_from([10.0, 45.0, 60.0, 200.0]))
def test_the_page_and_notifications_agree(letters: str, gap: float):
    """Whatever the tests: a state that is reported is on the page, and the page shows no other but for the last test.

    Nothing can be said of the line where the last test was kept from it by this machine.
    """
    rows = minutes(letters, gap)
    now = rows[-1].run.started_at + timedelta(minutes=gap / 3)
    memory = evaluate(None, "home", rows, RULES, int(now.timestamp())).memory
    active = {kind for kind, _, _ in memory.active()}
    newest_first = [row.run for row in reversed(rows)]
    plans = [(row.run.started_at, row.plan) for row in rows]
    state = judge_line(newest_first, plans, now).state
    if state in {LineCondition.STALE, LineCondition.UNKNOWN}:
        return
    last_news = next(run for run in newest_first if find_line_fault(run) is not None)
    results = [run for run in newest_first if is_result(run)]
    expected = (
        LineCondition.FAILING
        if AlertKind.DOWN in active or find_line_fault(last_news)
        else LineCondition.SLOW
        if AlertKind.SLOW in active or (results and results[0].download_bps == 20_000_000)
        else LineCondition.GOOD
    )
    assert state is expected or (expected is LineCondition.GOOD and not results)


@given(st.text("ooFCL", min_size=1, max_size=12), st.integers(1, 100))
def test_a_silence_that_is_reported_is_on_the_page(letters: str, hours: int):
    """Also where tests are rare."""
    rows = minutes(letters, 240)
    now = rows[-1].run.started_at + timedelta(hours=hours)
    memory = evaluate(None, "home", rows, RULES, int(now.timestamp())).memory
    state = judge_line([row.run for row in reversed(rows)], [], now).state
    if AlertKind.STALE in {kind for kind, _, _ in memory.active()}:
        assert state in {LineCondition.STALE, LineCondition.UNKNOWN}


def test_a_provider_is_reported_only_if_asked_for():
    """By default it is not, and whoever asks for one state gets no other."""
    assert AlertKind.PROVIDER not in StateRules.from_settings(Settings()).kinds
    assert words(notices(make_runs("oPPPP"), StateRules.from_settings(Settings()))) == []
    only = StateRules(kinds=frozenset({AlertKind.PROVIDER}))
    assert words(notices(make_runs("oPPPFF"), only)) == ["provider began"]


def test_a_notice_says_when_and_why():
    """From the first failed test to the first good one, with the reason and the first failed run."""
    rows = make_runs("oFFFoo")
    began, ended = notices(rows)
    assert (began.began, began.at, began.ended) == (seconds(1), seconds(2), None)
    assert (ended.began, ended.ended, ended.at) == (seconds(1), seconds(4), seconds(4.5))
    assert began.evidence == ended.evidence == "dns (line, at configuration): Could not resolve host"
    assert began.run_id == ended.run_id == rows[1].run.id
    assert (began.probe, began.path, ended.tests) == ("home", "ip4only", 3)


def test_slow_is_below_the_plan_or_the_recent_median():
    """The plan that was stored with the run counts; without one the median of at least five results."""
    by_plan = notices(make_runs("osss"))[0].evidence
    assert by_plan == "download 20.0 Mbit/s, 20 % of the plan's 100 Mbit/s"
    without = [replace(row, plan=Plan()) for row in make_runs("ooooosss")]
    assert words(notices(without)) == ["slow began"]
    assert notices(without)[0].evidence == "download 20.0 Mbit/s, 21 % of the recent median of 95.7 Mbit/s"
    assert words(notices([replace(row, plan=Plan()) for row in make_runs("oosss")])) == []
    upload = [replace(row, plan=Plan()) for row in make_runs("ooooouuu")]
    assert notices(upload)[0].evidence.startswith("upload 0.001 Mbit/s, 0 % of")


def test_a_slow_line_does_not_become_usual():
    """Without a plan, a hundred slow results end nothing; fast ones do."""
    rows = [replace(row, plan=Plan()) for row in make_runs("oooooo" + "s" * 100 + "ooo")]
    assert words(notices(rows)) == ["slow began", "slow ended"]


def test_a_change_says_from_what_to_what():
    """And of which test it is."""
    rows = make_runs("oaaa")
    (notice,) = notices(rows)
    assert (notice.before, notice.after, notice.at) == ("198.51.100.7", "203.0.113.9", seconds(1))
    assert notice.run_id == rows[1].run.id


def test_paths_and_probes_are_watched_apart():
    """Failures over two paths do not add up."""
    over_host = [replace(row, run=replace(row.run, path=NetworkPath.HOST)) for row in make_runs("oF")]
    assert words(notices([*make_runs("oF"), *over_host])) == []
    both = [make_runs("oFFoo"), [replace(r, run=replace(r.run, path=NetworkPath.HOST)) for r in make_runs("oFFFF")]]
    mixed = [row for rows in itertools.zip_longest(*both) for row in rows if row]
    assert sorted((notice.path, notice.change) for notice in notices(mixed)) == [
        ("host", "began"), ("ip4only", "began"), ("ip4only", "ended"),
    ]  # fmt: skip


def test_silence_is_reported_by_the_clock():
    """Without any run, once; the next result ends it."""
    first = evaluate(None, "home", make_runs("o"), RULES, seconds(1))
    early = evaluate(first.memory, "home", [], RULES, seconds(6))
    late = evaluate(early.memory, "home", [], RULES, seconds(6.1))
    again = evaluate(late.memory, "home", [], RULES, seconds(30))
    back = evaluate(again.memory, "home", make_runs(" " * 31 + "o"), RULES, seconds(32))
    assert [words(each.notices) for each in (first, early, late, again, back)] == [
        [], [], ["stale began"], [], ["stale ended"],
    ]  # fmt: skip


def test_silence_takes_two_intervals_of_the_schedule():
    """A test every eight hours does not make six hours of silence a state; with 0 there is none."""
    settings = Settings()
    rare = structs.replace(settings, schedule=structs.replace(settings.schedule, every_s=8 * HOUR_S))
    never = structs.replace(settings, notify=structs.replace(settings.notify, stale_h=0))
    limits = [StateLimits.from_settings(each).stale_s for each in (settings, rare, never)]
    assert limits == [6 * HOUR_S, 16 * HOUR_S, 0]
    assert words(notices(make_runs("o" + " " * 40 + "o"), StateRules(limits=StateLimits(stale_s=0)))) == []


def test_the_first_call_reports_only_what_lasts():
    """What began and ended before there were notifications is history."""
    assert words(evaluate(None, "home", make_runs("oFFoo"), RULES, seconds(4)).notices) == []
    lasting = evaluate(None, "home", make_runs("oFFooFF"), RULES, seconds(7))
    assert [(notice.alert, notice.began) for notice in lasting.notices] == [(AlertKind.DOWN, seconds(5))]
    assert words(evaluate(lasting.memory, "home", [], RULES, seconds(8)).notices) == []


def test_a_reminder_follows_while_a_state_lasts():
    """Every remind_h, of each state that lasts; none by default."""
    rules = replace(RULES, remind_s=24 * HOUR_S)
    rows = make_runs("o" + "F" * 60)
    assert words(notices(rows, rules)).count("down reminder") == 1
    memory, due = evaluate(None, "home", make_runs("oFF"), rules, seconds(2)).memory, []
    for hour in range(3, 80):
        result = evaluate(memory, "home", [make_runs("F" * (hour + 1))[hour]], rules, seconds(hour))
        memory, due = result.memory, [*due, *result.notices]
    assert words(due) == ["down reminder"] * 3
    assert words(notices(rows)) == ["down began"]


def retry_of(first: StoredRun, second: StoredRun) -> StoredRun:
    """Return a run as the second attempt of a test."""
    run = replace(second.run, retry_of=first.run.id, attempt=2, trigger=Trigger.RETRY)
    return replace(second, run=run)


def test_attempts_of_a_test_are_one_test():
    """A failure that a retry confirms counts once, and one that it does not confirm is none."""
    good, first, second = make_runs("oFF")
    assert words(notices([good, first, retry_of(first, second)])) == []
    assert words(notices([good, first, second])) == ["down began"]
    good, first, fine, third = make_runs("oFoF")
    assert words(notices([good, first, retry_of(first, fine), third])) == []
    assert words(notices([good, first, fine, third])) == ["down began"]


def test_a_failure_that_may_be_repeated_waits_for_the_end_of_its_test():
    """While a test runs, its first attempt is left for the next call; what follows it is, too."""
    rows = make_runs("oFFL")
    assert [row.pk for row in settle(rows)] == [1, 2]
    repeated = make_runs("oFo")
    assert settle(repeated) == repeated
    assert words(notices(rows, testing=True)) == []
    assert evaluate(None, "home", rows, RULES, seconds(4), testing=True).memory.last_pk == 2


def test_runs_that_are_stored_late_change_nothing():
    """One that waited in the spool, one that was imported, and one of a clock that is ahead by a year."""
    rows = make_runs("ooooo")
    late = [replace(row, pk=row.pk + 10) for row in make_runs("oFF")[1:]]
    imported = [replace(row, run=replace(row.run, trigger=Trigger.IMPORT)) for row in make_runs(" " * 6 + "FFF")]
    ahead = [replace(row, pk=20) for row in make_runs(" " * 9000 + "FF")]
    assert words(notices([*rows, *late, *imported, *ahead], now=seconds(5))) == []
    assert FUTURE_S < 9000 * HOUR_S


def test_a_clock_that_was_ahead_stops_no_states():
    """Once it is right again, the runs of then are in the future and hold nothing up."""
    ahead = evaluate(None, "home", make_runs(" " * 9000 + "oo"), RULES, seconds(9002)).memory
    rows = [replace(row, pk=row.pk + 9100) for row in make_runs("oFFFF")]
    assert words(evaluate(ahead, "home", rows, RULES, seconds(5)).notices) == ["down began"]


def chunks(rows: Sequence[StoredRun], cuts: Iterable[int]) -> list[Sequence[StoredRun]]:
    """Return the runs in pieces that end at these places."""
    edges = [0, *sorted(cut for cut in set(cuts) if 0 < cut < len(rows)), len(rows)]
    return [rows[start:end] for start, end in itertools.pairwise(edges)]


def evaluate_in(pieces: Iterable[Sequence[StoredRun]], start: ProbeMemory) -> list[Notice]:
    """Return the notices of pieces, with a restart of the program after each."""
    memory, noted = start, []
    for piece in pieces:
        now = int(piece[-1].run.finished_at.timestamp()) if piece else 0
        result = evaluate(memory, "home", piece, RULES, now)
        memory = msgspec.json.decode(msgspec.json.encode(result.memory), type=ProbeMemory)
        noted += result.notices
    return noted


@given(st.text("".join(LETTERS) + "FFFooo   ", max_size=40), st.sets(st.integers(1, 40)))
def test_the_notices_do_not_depend_on_how_runs_come(letters: str, cuts: set[int]):
    """One by one, in pieces with restarts, or all at once: the same notices, each once."""
    rows = make_runs(letters)
    if not rows:
        return
    start = evaluate(None, "home", make_runs("o"), RULES, seconds(0)).memory
    at_once = evaluate_in([rows], start)
    assert evaluate_in(chunks(rows, cuts), start) == at_once
    assert evaluate_in(chunks(rows, range(len(rows))), start) == at_once
    assert len({(notice.alert, notice.change, notice.path, notice.at, notice.began) for notice in at_once}) == len(
        at_once
    )
