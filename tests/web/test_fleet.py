"""The page of a fleet: what needs attention comes first."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from example_runs import DNS, START, make_attempt
from sqlalchemy import Engine, event
from web_client import NOW, SiteSetup

from monitor.analysis.line_condition import LineCondition, LineReport
from monitor.model import NetworkPath, Plan, Status
from monitor.store import read
from monitor.store.connection import open_reader
from monitor.store.lookups import probe_pks
from web.fleet import ProbeRow, rank_probes

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.model import Attempt


@pytest.fixture
def place(tmp_path: Path) -> SiteSetup:
    """Return a site over an empty store."""
    return SiteSetup(f"sqlite:///{tmp_path}/speedmon.db")


def row(name: str, state: LineCondition, hours: float | None) -> ProbeRow:
    """Return a probe that has been in a state for so many hours."""
    since = None if hours is None else NOW - timedelta(hours=hours)
    return ProbeRow(name, LineReport(state, since), None, Plan())


def test_probes_are_ranked_by_state_then_by_how_long():
    """Failing, stale, slow, unknown, good; those that have been so for longest first, then by name."""
    states = [
        row("good", LineCondition.GOOD, 1),
        row("unknown", LineCondition.UNKNOWN, None),
        row("slow", LineCondition.SLOW, 2),
        row("stale", LineCondition.STALE, 9),
        row("fails b", LineCondition.FAILING, 1),
        row("fails a", LineCondition.FAILING, 1),
        row("fails long", LineCondition.FAILING, 5),
    ]
    names = ["fails long", "fails a", "fails b", "stale", "slow", "unknown", "good"]
    assert [one.name for one in rank_probes(states)] == names


def results(probe: str, rate: int, minutes: range) -> list[Attempt]:
    """Return results of a probe with this rate."""
    return [make_attempt(at, probe=probe, download_bps=rate) for at in minutes]


def test_the_page_ranks_the_fleet_and_says_why(place: SiteSetup):
    """State and reason of each probe are in its row, and its name leads to its own page."""
    place.fill(
        *results("fine", 95_000_000, range(-60, 0, 10)),
        *results("slow", 95_000_000, range(-200, -60, 10)),
        *results("slow", 20_000_000, range(-40, 0, 10)),
        *results("old", 95_000_000, range(-3000, -2900, 10)),
        *(make_attempt(at, probe="<b>&down", status=Status.FAILED, failure=DNS) for at in (-20, -10)),
    )
    page = place.client().get("/fleet").text
    rows = [re.sub(r"<[^>]+>|\s+", " ", part) for part in page.split("<tr>")[2:]]
    states = [(text.split()[0], text.split()[2]) for text in rows]
    assert states == [("&lt;b&gt;&amp;down", "failing"), ("old", "stale"), ("slow", "slow"), ("fine", "good")]
    assert "name lookup failed" in rows[0]
    assert "20.0" in rows[2]
    assert 'href="/?probe=%3Cb%3E%26down"' in page
    assert "4 probes, by what needs attention" in page


def test_an_empty_fleet_has_a_page_too(place: SiteSetup):
    """Before the first run there is nothing to rank."""
    assert "Nothing measured yet" in place.client().get("/fleet").text


def test_the_newest_runs_of_each_probe_and_path_are_read_at_once(place: SiteSetup):
    """So many of each, newest first, whichever measures more often; only of some probes if asked for."""
    place.fill(
        *(make_attempt(at, probe="often") for at in range(-10, 0)),
        *(make_attempt(at, probe="often", path=NetworkPath.HOST) for at in (-30, -20)),
        make_attempt(-500, probe="seldom"),
    )
    with open_reader(place.url) as connection:
        newest = read.newest_runs_of_each(connection, 3)
        only = read.newest_runs_of_each(connection, 3, probe_pks(connection, ["seldom"]))
    ages = [(run.probe, round((START - run.started_at) / timedelta(minutes=1))) for run in newest]
    assert ages == [("often", 1), ("often", 2), ("often", 3), ("often", 20), ("often", 30), ("seldom", 500)]
    assert [run.probe for run in only] == ["seldom"]


def test_the_plans_of_a_whole_fleet_are_read_at_once(place: SiteSetup):
    """The page of twenty probes needs as many statements as that of two."""
    executed: list[str] = []

    def count_statement(_connection: object, _cursor: object, text: str, *_others: object) -> None:
        executed.append(text)

    counts = []
    event.listen(Engine, "before_cursor_execute", count_statement)
    try:
        for count in (2, 20):
            place.fill(*(make_attempt(-number, probe=f"probe {number}") for number in range(count)))
            executed.clear()
            assert f"{count} probes" in place.client().get("/fleet").text
            counts.append(len(executed))
    finally:
        event.remove(Engine, "before_cursor_execute", count_statement)
    assert counts[0] == counts[1]
