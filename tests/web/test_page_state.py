"""The head of the page: what can be said of the line; the window that is shown, and its figures as text."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from example_runs import make_attempt, make_failed_attempt
from web_client import NOW, TABLE, SiteSetup, assert_error

from monitor.model import Failure, FailureKind, Scope
from web.graphs import end_of_window

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.model import Attempt

TICK = "✓"

HOUR = timedelta(hours=1)

LICENCE = Failure(FailureKind.LICENCE, Scope.CONFIG, "start", "accept the licence")


@pytest.fixture
def place(tmp_path: Path) -> SiteSetup:
    """Return a site over an empty store, whose plan is 100 Mbit/s down."""
    return SiteSetup(f"sqlite:///{tmp_path}/speedmon.db")


def page_text(place: SiteSetup, path: str = "/") -> str:
    """Return the page as text: no tags, single spaces."""
    response = place.client().get(path)
    assert response.status_code == 200, response.text
    return " ".join(re.sub(r"<[^>]+>", " ", response.text).split())


@pytest.mark.parametrize(
    ("attempts", "state", "headline"),
    [
        ([make_attempt(0)], "good", "Your internet line is good"),
        ([make_attempt(0, download_bps=4_000_000)], "slow", "Your internet line is slow"),
        ([make_attempt(0), make_failed_attempt(10)], "failing", "Your internet line is failing"),
        ([make_attempt(-3 * 1440)], "stale", "The last result is too old to tell"),
        ([make_attempt(-3 * 1440, download_bps=4_000_000)], "stale", "The last result is too old to tell"),
        ([make_attempt(0), make_failed_attempt(10, LICENCE)], "unknown", "The state of your line is not known"),
    ],
)
def test_the_answer_comes_first(place: SiteSetup, attempts: list[Attempt], state: str, headline: str):
    """The head says what the line is; only a fresh result that is not slow has a tick."""
    page = place.fill(*attempts).client().get("/").text
    assert re.findall(r'data-state="(\w+)"', page) == [state]
    assert f"<h1>{headline}</h1>" in page
    assert f"<title>{headline}" in page
    assert (TICK in page) is (state == "good")


def test_the_head_says_what_is_normal_and_since_when(place: SiteSetup):
    """A slow line has its share of the plan, the usual rates, the first slow test, and what changed."""
    usual = [make_attempt(-60 * hours) for hours in range(2, 8)]
    slow = [make_attempt(-60 * hours, download_bps=4_000_000, isp="Other") for hours in (1, 0)]
    page = page_text(place.fill(*usual, *slow))
    assert "Now download 4 % of the plan" in page
    assert "Normal 95.7 / 17.3 Mbit/s" in page
    assert "So since Mon 23 Nov 2026, 13:17 CET" in page
    assert "Changed ISP is Other, was Verizon Fios, Mon 23 Nov 2026, 13:17 CET" in page


def test_the_state_is_that_of_one_path_and_one_probe(place: SiteSetup):
    """A success of another probe does not make a failing line good."""
    place.fill(make_attempt(0), make_attempt(20, probe="cabin"), make_failed_attempt(25))
    assert 'data-state="failing"' in place.client().get("/").text
    assert 'data-state="good"' in place.client().get("/?probe=cabin").text


@pytest.mark.parametrize(
    ("query", "label", "parameters"),
    [
        ("days=1", "The last 24 hours", "days=1"),
        ("days=365", "The last 1 year", "days=365"),
        ("days=all", "All tests", "days=all"),
        ("days=14", "The last 14 days", "days=14"),
        ("from=2026-11-20&to=2026-11-23", "From 2026-11-20 to 2026-11-23", "from=2026-11-20&amp;to=2026-11-23"),
        ("from=2026-11-20&to=&days=7", "From 2026-11-20", "from=2026-11-20"),
    ],
)
def test_a_window_stays_in_the_address(place: SiteSetup, query: str, label: str, parameters: str):
    """Heading, graph and links have the window that was asked for."""
    page = place.fill(*TABLE).client().get(f"/?{query}").text
    assert f"<h2>{label}</h2>" in page
    assert f'src="/graph.svg?{parameters}"' in page
    assert f'href="/?{parameters}&amp;only=trouble#tests"' in page


def test_the_last_choice_is_the_default(place: SiteSetup):
    """A range that was chosen is kept in a cookie of this site; a window of days is not, nor a visit without choice."""
    client = place.fill(*TABLE).client()
    cookie = client.get("/?days=7").headers["set-cookie"]
    assert "speedmon_days=7" in cookie
    assert {"httponly", "samesite=strict"} <= {part.strip().lower() for part in cookie.split(";")}
    assert 'src="/graph.svg?days=7"' in client.get("/", headers={"Cookie": "speedmon_days=7"}).text
    assert 'src="/graph.svg?days=1"' in client.get("/?days=1", headers={"Cookie": "speedmon_days=7"}).text
    assert 'src="/graph.svg?days=30"' in client.get("/", headers={"Cookie": "speedmon_days=<b>"}).text
    assert "speedmon_days" not in client.get("/?from=2026-11-20").headers["set-cookie"]
    assert "speedmon_days" not in client.get("/").headers["set-cookie"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("days=3661", "days: "),
        ("days=0", "days: "),
        ("from=yesterday", "from: "),
        ("to=2026-13-01", "to: "),
        ("to=9999-12-31", "to: "),
        ("from=2026-11-23&to=2026-11-20", "from: "),
        ("from=2026-11-23T10:00&to=2026-11-23T10:00", "days, from, to: "),
    ],
)
def test_a_window_that_cannot_be_shown_is_an_error(place: SiteSetup, query: str, says: str):
    """The message names the parameter."""
    client = place.fill(*TABLE).client()
    assert_error(client.get(f"/?{query}"), 422, "invalid_parameter", says)


@pytest.mark.parametrize("minutes", [42.9, 60, -6000 * 1440])
def test_all_tests_can_be_shown_whenever_they_ran(place: SiteSetup, minutes: float):
    """A first test seconds ago, one that a wrong clock put into the future, and one before any window are no error."""
    assert "All tests" in page_text(place.fill(make_attempt(minutes)), "/?days=all")


def test_the_last_day_of_a_window_is_part_of_it(place: SiteSetup):
    """From a day to the same day is that day, in the zone of the page."""
    page = page_text(place.fill(*TABLE), "/?from=2026-11-23&to=2026-11-23")
    assert "Tests 3, 1 failed" in page
    assert "Tests 0" in page_text(place, "/?from=2026-11-22&to=2026-11-22")


def test_the_figures_of_the_window_are_text(place: SiteSetup):
    """Median, lowest, highest, share of the plan, and the median of the window before, beside the chart."""
    rates = {1: 90_000_000, 2: 80_000_000, 3: 10_000_000, 30: 40_000_000}
    place.fill(*(make_attempt(started_at=NOW - HOUR * age, download_bps=rate) for age, rate in rates.items()))
    page = page_text(place, "/?days=1")
    assert (
        "Download median 80.0 Mbit/s · lowest 10.0 Mbit/s · highest 90.0 Mbit/s · 80 % of the plan"
        " · before: 40.0 Mbit/s (+100 %)"
    ) in page
    assert "Tests 3 · before: 1, 0 failed" in page


def test_the_figures_of_many_years_are_means(place: SiteSetup):
    """Medians of ten years would take too long."""
    assert "Download mean 95.7 Mbit/s" in page_text(place.fill(*TABLE), "/?days=3660")


def test_the_figures_are_those_of_the_graph_beside_them(place: SiteSetup):
    """The graph's window begins a step later than that of the address: a run before it is in neither."""
    since = end_of_window(NOW, 30) - timedelta(days=30)
    assert since > NOW - timedelta(days=30)
    place.fill(make_attempt(started_at=since - HOUR / 60), make_attempt(started_at=since + HOUR / 60))
    assert "Tests 1 ·" in page_text(place, "/?days=30")
