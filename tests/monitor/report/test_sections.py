"""The report in words: what it says, and what it says when there is little or nothing to say."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from example_reports import DATA, SOLD, START, failed, run, subject, text

from monitor.analysis.columns import Columns
from monitor.analysis.outages import find_incidents
from monitor.localtime import Window
from monitor.model import NetworkPath, Plan, Remark, Scope, Status
from monitor.report.document import Cell, Heading, Picture, Table, Text
from monitor.report.evidence import gather_evidence
from monitor.report.rules import load_profile
from monitor.report.sections import outages, results
from monitor.report.sections.assemble import GRAPH_KINDS, assemble_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from monitor.model import Run
    from monitor.report.evidence import ReportSubject

BUSY = {"healthy": False, "remarks": (Remark("cross_traffic", "3 Mbit/s"),)}


def _month() -> list[Run]:
    """Return ten days at a test an hour: two outages, one failure of the operator, a busy line and a skipped test."""
    runs = [run(60 * number, download_bps=95_000_000, upload_bps=17_000_000) for number in range(240)]
    bad = {50: Scope.LINE, 51: Scope.LINE, 120: Scope.PROVIDER, 239: Scope.LINE}
    runs = [failed(60 * at, bad[at]) if at in bad else each for at, each in enumerate(runs)]
    runs[30] = dataclasses.replace(runs[30], **BUSY)
    runs[31] = dataclasses.replace(runs[31], status=Status.SKIPPED, download_bps=None, upload_bps=None, latency_ms=None)
    return runs


def _text(runs: Sequence[Run], **changes: object) -> str:
    return text(gather_evidence(subject(runs, **changes)), runs)


def _compared(runs: Sequence[Run], days: int) -> ReportSubject:
    """Return a subject of the second half of so many days, compared with the first."""
    middle, end = START + timedelta(days=days / 2), START + timedelta(days=days)
    before, now = ([each for each in runs if (each.started_at < middle) is early] for early in (True, False))
    return subject(
        now,
        window=Window(middle, end),
        previous=Columns.from_runs(before),
        previous_window=Window(START, middle),
        previous_incidents=tuple(find_incidents(before)),
    )


def _rows(table_: Table) -> list[str]:
    return [" | ".join(cell.text for cell in row) for row in table_.rows]


def _table(runs: Iterable[Run], made: ReportSubject) -> Table:
    blocks = assemble_document(gather_evidence(made), {}, runs, DATA).blocks
    return [block for block in blocks if isinstance(block, Table)][-1]


def test_the_sections_come_in_the_order_of_a_letter_to_the_isp():
    """What was found first, the long table last."""
    made = assemble_document(gather_evidence(subject(_month(), rules=load_profile(None))), {}, _month(), DATA)
    assert [block.text for block in made.blocks if isinstance(block, Heading) and block.level == 1] == [
        "Summary",
        "Who measured what, how and when",
        "The plan",
        "What was measured",
        "When the line is slow",
        "Compared with rules: Example after Germany's rule for fixed lines",
        "Outages of the line",
        "Failed tests: what is the line's fault and what is not",
        "Method, limits, and what was left out",
        "The data",
        "The tests",
    ]


def test_the_summary_has_the_figures_with_their_units():
    """240 attempts: 234 that count, four broken, one doubtful, one skipped."""
    report = _text(_month())
    assert "In 10 days, 240 tests were due: 234 gave a valid result, 4 gave none (3 of" in report
    assert "1 gave a doubtful result that is not counted, and 1 did not start" in report
    assert "half of 234 results were below 95.0 Mbit/s (median)" in report
    assert "none were below 90 % of it" in report
    assert "Of 234 results that can be compared with the plan, 100 % were below 90 % of it, none below 80 %" in report
    assert "2 outages of the line: it was down for 2 h of the 9 days 23 h" in report


def test_who_measured_what_how_and_when():
    """What an ISP needs to find the line and to repeat the test."""
    report = _text(
        _month(), engines=("ookla 1.2.0.84",), addresses=("198.51.100.7",), facts=(("Measuring machine", "a Pi"),)
    )
    for line in (
        "Measured at: home",
        "Measuring machine: a Pi",
        "ISP, as the tests reported it: Verizon Fios",
        "External address: 198.51.100.7 (IPv4)",
        "Measuring program: ookla 1.2.0.84",
        "Run and recorded by: speedmon 0.1.0",
        "Test servers: DediPath, Secaucus, NJ (no. 22774)",
        "How often: usually every 1 h",
        "First and last test: 20 Oct 2026 02:00 (UTC+02:00) and 30 Oct 2026 00:00 (UTC+01:00)",
    ):
        assert line in report.splitlines()
    assert "Path: over IPv4 only" in report


def test_several_paths_are_said_to_be_counted_together():
    """So that nobody takes them for one."""
    runs = [run(0), dataclasses.replace(run(60), path=NetworkPath.HOST)]
    assert "several probes or paths are counted together" in _text(runs)


def test_a_change_of_plan_is_listed_with_its_day():
    """The plan of a test is the one that was in force."""
    spells = ((START, SOLD), (START + timedelta(days=4), Plan(50_000_000, 10_000_000)))
    report = _text(_month(), plan_periods=spells)
    assert "before the window | 100 Mbit/s | 20 Mbit/s | 30 ms" in report
    assert "24 Oct 2026 02:00 (UTC+02:00) | 50 Mbit/s | 10 Mbit/s" in report


def test_without_a_plan_nothing_is_compared_with_one():
    """No share, and it says why."""
    report = _text(_month(), plan=Plan())
    assert "No plan was configured" in report
    assert "share of the plan" not in report
    assert "can be compared with the plan" not in report


@pytest.mark.parametrize(("count", "marked"), [(19, True), (20, False)])
def test_percentiles_of_few_results_are_marked(count: int, marked: bool):
    """And the mark is explained."""
    report = _text([run(60 * at) for at in range(count)])
    assert ("Download *" in report) is marked
    assert ("* Fewer than 20 results" in report) is marked


def test_outages_are_listed_with_times_and_causes():
    """Also one that had not ended when the last test was made."""
    report = _text(_month())
    cause = "names could not be resolved (DNS) | 2 | Could not resolve host"
    assert f"2026-10-22 04:00 +02:00 | 2026-10-22 06:00 +02:00 | 2 h | {cause}" in report
    assert "2026-10-30 00:00 +01:00 | not before the last test | at least 21 s |" in report


def test_of_too_many_outages_the_longest_are_listed_and_that_is_said(monkeypatch: pytest.MonkeyPatch):
    """One that lasts is among them, and nobody is led to think that these are all."""
    monkeypatch.setattr(outages, "MAX_OUTAGES", 1)
    report = _text(_month())
    assert "Of 2 outages, the table lists the 1 longest. The data beside this report has all." in report
    assert "not before the last test" in report
    assert "2026-10-22 06:00 +02:00 | 2 h" not in report


def test_an_outage_is_as_long_as_it_was_watched():
    """Over a pause of the tests its length is that of both sides, in the table as in the sum and the longest."""
    runs = [failed(60 * at) if at in {18, 19} else run(60 * at) for at in (*range(20), *range(70, 90))]
    report = _text(runs)
    assert "2026-10-20 20:00 +02:00 | 2026-10-23 00:00 +02:00 | 1 h |" in report
    assert "Total downtime: 1 h\n" in report
    assert "Longest outage: 1 h\n" in report


def test_an_outage_that_two_paths_saw_is_listed_for_each():
    """It counts once, and each row says who saw it."""
    runs = [
        dataclasses.replace(failed(at) if 600 <= at < 720 else run(at), path=path)
        for number in range(24)
        for at, path in ((60 * number, NetworkPath.IP4ONLY), (60 * number + 1, NetworkPath.HOST))
    ]
    report = _text(runs)
    assert "1 outage of the line" in report
    assert "How often: usually every 1 h, for each probe and path" in report
    assert "An outage that several probes or paths saw at once counts once, but is listed for each." in report
    assert all(f"home, {path} | " in report for path in NetworkPath)


def test_failures_are_listed_by_whose_fault_they_are():
    """Those of others are not counted against the line."""
    report = _text(_month())
    assert "3 because of the line or the ISP, 1 for reasons that are not counted against the line" in report
    assert "the line or the ISP | names could not be resolved (DNS) | 3 | 1 %" in report.replace("1.3 %", "1 %")
    assert "the operator of the speed test or its server | names could not be resolved (DNS) | 1 | 0.4 %" in report


def test_what_was_left_out_is_counted_with_its_reasons():
    """Every attempt is accounted for."""
    report = _text(_month()).splitlines()
    assert "measured | 234 | yes" in report
    assert any(line.startswith("measured, but doubtful | 1 |") for line in report)
    assert any(line.startswith("skipped | 1 |") for line in report)
    assert "the line was busy with other traffic | 1" in report
    assert f"SHA-256: {DATA.sha256}" in report


def test_the_rules_have_their_figures_and_are_never_called_official():
    """Each condition with what it asks, what was found and the answer; an assumed level is called one."""
    report = _text(_month(), rules=load_profile(None))
    assert "not an official finding" in report
    assert "neither legal advice nor the official procedure" in report
    assert (
        "Maximum upload speed | on at least 2 of 3 days no test reached 90 % of the plan's upload | so on 10 of 10"
        in report
    )
    assert "| met\n" in report
    assert "not met (assumed level)" in report
    assert "1 of 6 conditions met (Maximum upload speed); one suffices" in report


def test_without_rules_there_is_no_such_section():
    """There is no such section unless it was asked for."""
    assert "Compared with rules" not in _text(_month())


def test_a_comparison_names_the_day_and_how_sure_it_is():
    """A line that lost a fifth of its download, and answered later, on 9 November, 20 days after the first test."""
    rates = [95_000_000 - at % 7 * 100_000 - 19_000_000 * (at >= 20 * 12) for at in range(40 * 12)]
    late = [10 + at % 5 / 10 + 5 * (at >= 20 * 12) for at in range(40 * 12)]
    runs = [
        run(120 * at, download_bps=rate, upload_bps=18_500_000, latency_ms=ms)
        for at, (rate, ms) in enumerate(zip(rates, late, strict=True))
    ]
    report = text(gather_evidence(_compared(runs, 40)), runs)
    assert "Latency got longer on Monday, 9 Nov 2026: from 10.2 ms" in report
    assert "Download got slower on Monday, 9 Nov 2026: from 94.7 Mbit/s (median of the 20 days before)" in report
    assert "This is highly significant (p < 0.000001" in report
    assert "Upload: no lasting change was found" in report
    assert "Download, median | 94.7 Mbit/s | 75.7 Mbit/s | -20.1 %" in report
    assert "Download below 90 % of the plan | 0 % | 100 % | +100.0 percentage points" in report


def test_a_window_before_without_tests_is_said_to_have_none():
    """There is nothing to compare with, and no number is made up."""
    now = [run(60 * 24 * 20 + at) for at in range(0, 600, 60)]
    report = text(gather_evidence(_compared(now, 40)), now)
    assert "No test was made in the window before" in report
    assert "got slower" not in report


@pytest.mark.parametrize(
    ("runs", "measured"),
    [
        ([], False),
        ([run(0)], True),
        ([failed(0)], False),
        ([failed(at) for at in range(0, 600, 60)], False),
        ([run(0, **BUSY)], False),
    ],
)
@pytest.mark.parametrize("sold", [SOLD, Plan()])
def test_a_report_of_little_or_nothing_is_still_one(runs: list[Run], measured: bool, sold: Plan):
    """No run, one, one or all failed, one doubtful; with everything asked for."""
    made = dataclasses.replace(
        subject(runs, plan=sold, rules=load_profile(None)),
        previous=Columns.from_runs(runs),
        previous_window=subject([]).window,
    )
    report = text(gather_evidence(made), runs)
    assert ("No test was made in this window of 10 days" in report) is (not runs)
    assert ("No test gave a valid result." in report) is not measured
    assert "nan" not in report.lower()
    assert "None" not in report.replace("None of", "")


def test_pictures_stand_where_they_belong_and_one_that_is_missing_is_left_out():
    """Each with what it shows in words; a kind that nobody knows is not shown."""
    pictures = {kind: kind.encode() for kind in (*GRAPH_KINDS, "dashboard")}
    shown = [
        b
        for b in assemble_document(gather_evidence(subject(_month())), pictures, [], DATA).blocks
        if isinstance(b, Picture)
    ]
    assert [each.png.decode() for each in shown] == ["throughput", "distribution", "latency", "heatmap", "availability"]
    assert all(each.alt for each in shown)
    assert not [
        b for b in assemble_document(gather_evidence(subject([])), {}, [], DATA).blocks if isinstance(b, Picture)
    ]


def test_every_test_is_in_the_table_with_its_result_link():
    """A link is one only if it leads to the web."""
    runs = [run(0, result_url="https://x.example/1"), run(60, result_url="javascript:alert(1)"), failed(120)]
    rows = list(_table(runs, subject(runs)).rows)
    assert [row[-1].link for row in rows] == ["https://x.example/1", None, None]
    assert rows[0][0] == Cell("2026-10-20 02:00 +02:00")
    assert rows[0][5].text == "96 % / 87 %"
    assert rows[2][1] == Cell("failed", shade=1.0)
    assert rows[2][6].text == "names could not be resolved (DNS); fault of: the line or the ISP"
    assert {cell.text for cell in rows[2][2:6]} == {"\N{EN DASH}"}


def test_a_row_says_why_a_test_does_not_count_and_is_shaded_only_for_the_line():
    """A failure of others, a doubtful result and a skipped test say nothing of the line."""
    other, skipped = failed(0, Scope.PROVIDER), run(60, status=Status.SKIPPED, latency_ms=None, server=None)
    runs = [other, skipped, run(120, **BUSY), run(180, download_bps=40_000_000)]
    rows = list(_table(runs, subject(runs)).rows)
    assert [row[1].text for row in rows] == ["failed", "skipped", "doubtful", "measured"]
    assert [row[1].shade for row in rows] == [0.2, 0.0, 0.0, pytest.approx(0.6)]
    assert rows[2][6].text == "not counted: the line was busy with other traffic"


@pytest.mark.parametrize(
    ("most", "wanted", "said"),
    [
        (240, 240, ""),
        (239, 6, "those that failed, that are doubtful or that were below 90 % of the plan"),
        (5, 4, "those that failed"),
        (3, 3, "the first 3 that failed"),
    ],
)
def test_too_many_tests_are_cut_to_those_that_matter(
    monkeypatch: pytest.MonkeyPatch, most: int, wanted: int, said: str
):
    """And the report says so, and where all of them are; exactly 90 % of the plan does not matter."""
    runs = [dataclasses.replace(each, upload_bps=each.upload_bps and 18_000_000) for each in _month()]
    runs[77] = dataclasses.replace(runs[77], download_bps=1_000_000)
    monkeypatch.setattr(results, "MAX_TABLE_ROWS", most)
    made = subject(runs)
    assert len(_rows(_table(runs, made))) == wanted
    note = f"Of 240 tests, the table lists {said}. speedmon-30d.csv has all of them."
    assert (note in text(gather_evidence(made), runs)) is bool(said)
    assert f"[Tests, oldest first ({wanted:,})]" in text(gather_evidence(made), runs)


def test_tests_that_are_no_longer_stored_are_said_to_be_missing():
    """Their numbers are kept for longer than their details."""
    made = assemble_document(gather_evidence(subject(_month())), {}, _month(), dataclasses.replace(DATA, rows=200))
    report = [block.text for block in made.blocks if isinstance(block, Text)]
    assert any(each.startswith("The details of 200 of 240 tests are still stored") for each in report)


def test_of_many_changes_of_plan_each_plan_is_listed_once():
    """Two probes with a plan each, in turn."""
    small = Plan(50_000_000)
    spells = [(START + timedelta(hours=at), SOLD if at % 2 else small) for at in range(60)]
    report = _text(_month(), plan_periods=tuple(spells))
    assert "one of: download 50 Mbit/s; download 100 Mbit/s, upload 20 Mbit/s, latency 30 ms." in report


def test_runs_are_read_while_the_table_is_written():
    """A million of them are never held at once."""
    read: list[Run] = []
    runs = _month()
    rows = iter(_table((read.append(each) or each for each in runs), subject(runs)).rows)
    assert not read
    next(rows)
    assert len(read) == 1
