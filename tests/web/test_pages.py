"""The page: what a user sees at a glance, also with hostile names from the network."""

from __future__ import annotations

import dataclasses
import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from example_runs import DNS, make_attempt, make_failed_attempt
from web_client import NOW, TABLE, SiteSetup, assert_error, in_minutes

from monitor.collect.progress import RunningTest
from monitor.model import Failure, FailureKind, Remark, Scope, Server, Status
from monitor.store.pause import make_pause

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"

SKIPPED = Failure(FailureKind.UNKNOWN, Scope.LOCAL, "schedule", "no test at this time: the machine was asleep")


@pytest.fixture
def place(tmp_path: Path) -> SiteSetup:
    """Return a site over an empty store."""
    return SiteSetup(f"sqlite:///{tmp_path}/speedmon.db")


def page_text(place: SiteSetup, path: str = "/") -> str:
    """Return the page as text: no tags, single spaces."""
    response = place.client().get(path)
    assert response.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", response.text).split())


def test_an_empty_store_shows_how_to_begin(place: SiteSetup):
    """The first visit says how to run the first test."""
    page = page_text(place)
    assert "Nothing measured yet" in page
    assert "speedmon collect" in page


@pytest.mark.parametrize(
    ("days", "words"), [(40, 'href="/?days=41">Show it</a>'), (4000, "<code>speedmon graph</code>")]
)
def test_an_empty_window_says_where_the_newest_run_is(place: SiteSetup, days: int, words: str):
    """If a window was asked for, the page says why its graph is empty."""
    page = place.fill(make_attempt(-days * 1440)).client().get("/?days=30").text
    assert "No test in this time: the newest is of " in page
    assert words in page
    assert "No test in this time" not in place.fill(make_attempt(0)).client().get("/?days=30").text


def test_runs_that_are_years_old_are_shown_without_an_option(place: SiteSetup):
    """Imported runs: graph and figures are of the 30 days up to the newest, until there is one of these days."""
    place.fill(make_attempt(-4000 * 1440))
    page = page_text(place)
    assert "From 2015-11-12 to 2015-12-11" in page
    assert "No test in this time" not in page
    assert place.client().get("/graph.png?from=2015-11-12&to=2015-12-11").status_code == 200
    place.fill(make_attempt(0))
    assert "The last 30 days" in page_text(place)


def test_a_pause_is_shown_in_place_of_the_next_test(place: SiteSetup):
    """The page says until when no test comes, and why; the reason is a user's text."""
    place.next_slot = in_minutes(5)
    place.paused = lambda: make_pause(NOW, timedelta(hours=2), HOSTILE)
    for site in (place, place.fill(make_attempt(0))):
        page = site.client().get("/").text
        assert "No scheduled tests until Mon 23 Nov 2026, 17:00 CET" in page
        assert "Next test" not in page
        assert "The first test runs" not in page
        assert HOSTILE not in page


def test_an_empty_store_shows_when_the_first_test_comes(place: SiteSetup):
    """With a schedule the first visit says when to look again."""
    place.next_slot = in_minutes(5)
    assert "The first test runs in 5 minutes, at Mon 23 Nov 2026, 15:05 CET" in page_text(place)


def test_a_running_test_is_shown_instead_of_the_next(place: SiteSetup):
    """While a test runs, phase, rate and remaining time are shown in place of the next slot."""
    moment = RunningTest("ookla", "ip4only", 0, phase="download", rate_bps=93_400_000, elapsed_s=9, expected_s=21)
    page = dataclasses.replace(place, running=lambda: moment).fill(make_attempt(0)).client().get("/").text
    assert "Testing now: download 93.4 Mbit/s, about 12 s left" in page


def test_a_doubtful_run_says_why(place: SiteSetup):
    """A result over another path is shown as doubtful, with the reason."""
    remark = Remark("wrong_isp", "measured through Other, not through Example (plan.isp)")
    page = place.fill(make_attempt(0, healthy=False, remarks=(remark,))).client().get("/").text
    assert remark.message in page
    assert ">Doubtful<" in page


def test_a_measured_run_at_a_glance(place: SiteSetup):
    """Numbers, plan, age in the configured zone, ISP, address with its family, server and path are all there."""
    place.next_slot = in_minutes(10)
    page = page_text(place.fill(*TABLE))
    for part in (
        "The last test succeeded Mon 23 Nov 2026, 14:47 CET · 12 minutes ago",
        "Download 95.7 Mbit/s 96 % of the plan",
        "Upload 17.3 Mbit/s",
        "Latency 4.20 ms jitter 0.400 ms",
        "ISP Verizon Fios",
        "External address 198.51.100.7 (IPv4)",
        "Server DediPath, Secaucus, NJ (no. 22774)",
        "Path IPv4-only namespace",
        "Next test: Mon 23 Nov 2026, 15:10 CET",
    ):
        assert part in page


def test_a_failure_has_its_cause_its_scope_and_its_beginning(place: SiteSetup):
    """The headline says whose fault it is; cause, count and the first of the failures in a row follow."""
    page = page_text(
        place.fill(
            make_attempt(0),
            make_failed_attempt(10),
            make_attempt(20, status=Status.SKIPPED, failure=SKIPPED),
            make_failed_attempt(30),
        )
    )
    for part in (
        "Your internet line failed the last test",
        "What name lookup failed, stage configuration, exit code 2",
        "Whose fault the internet line or the ISP, not this machine",
        "Since Mon 23 Nov 2026, 14:27 CET (32 minutes ago), 2 failed tests in a row",
        "Could not resolve host",
        "Last measurement Mon 23 Nov 2026, 14:17 CET",
    ):
        assert part in page


def test_failures_without_any_success_say_at_least(place: SiteSetup):
    """Without a known success, the beginning is a lower bound and there are no numbers."""
    page = page_text(place.fill(make_failed_attempt(0), make_failed_attempt(10)))
    assert "Since at least Mon 23 Nov 2026, 14:17 CET" in page
    assert "Last measurement" not in page


@pytest.mark.parametrize("status", [Status.SKIPPED, Status.INTERRUPTED])
def test_a_skipped_or_interrupted_run_keeps_the_last_numbers(place: SiteSetup, status: Status):
    """It is named as such, beside the last measurement."""
    page = page_text(place.fill(make_attempt(0), make_attempt(10, status=status, failure=SKIPPED)))
    assert f"The last test was {status.value}" in page
    assert "the machine was asleep" in page
    assert "Download 95.7 Mbit/s" in page


def test_the_table_shows_failures_among_the_runs(place: SiteSetup):
    """A failed run has its time, status, kind, scope and message where a measured one has numbers."""
    page = page_text(place.fill(*TABLE))
    assert "2026-11-23 14:32 Failed Name lookup failed line Could not resolve host" in page
    assert "2026-11-23 14:17 OK 95.7 17.3 4.20 DediPath, Secaucus, NJ (no. 22774)" in page


def test_the_table_can_show_only_what_was_not_measured(place: SiteSetup):
    """One link leaves out the successes."""
    page = page_text(place.fill(*TABLE), "/?only=trouble")
    assert "14:32 Failed" in page
    assert "14:17 OK" not in page


def test_successes_alone_are_a_sentence(place: SiteSetup):
    """Without failures the list of failures is a sentence."""
    assert "Every test of the last 30 days was measured." in page_text(place.fill(make_attempt()), "/?only=trouble")


def test_hostile_names_are_text(place: SiteSetup):
    """Names of ISP, server and host, and engine messages, never become markup."""
    server = Server("1<b>", HOSTILE, HOSTILE, None, HOSTILE)
    hostile = Failure(FailureKind.DNS, Scope.LINE, HOSTILE, HOSTILE)
    place.fill(
        make_attempt(0, isp=HOSTILE, external_ip=HOSTILE, engine_version=HOSTILE, server=server),
        make_failed_attempt(10, hostile),
    )
    for path in ("/", "/?only=trouble"):
        page = place.client().get(path).text
        assert page.count("<script") == 1
        assert "<img src=x" not in page
        assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("url", "shown"), [("https://www.speedtest.net/result/c/1", True), ("javascript:alert(1)", False), (None, False)]
)
def test_only_an_https_result_is_a_link(place: SiteSetup, url: str | None, shown: bool):
    """The address of a result comes from the network too."""
    page = place.fill(make_attempt(0, result_url=url)).client().get("/").text
    assert ("at the provider" in page) is shown
    assert "javascript:" not in page


def test_the_page_needs_nothing_from_elsewhere(place: SiteSetup):
    """Every address in the page is one of ours, and there is no script but our file and no inline style."""
    page = place.fill(*TABLE).client().get("/").text
    addresses = re.findall(r'(?:src|href|srcset)="([^"]*)"', page)
    assert addresses
    assert all(address.startswith("/") for address in addresses)
    ours = re.compile(r'<script src="/static/speedmon\.js\?v=[\w.+]+" defer></script>')
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=", ours.sub("", page))


def test_the_files_of_the_page_exist(place: SiteSetup):
    """Style sheet, logo and graph are served."""
    client = place.fill(*TABLE).client()
    for address in set(re.findall(r'(?:src|href)="(/static[^"]*|/graph[^"]*|/api[^"]*)"', client.get("/").text)):
        assert client.get(address).status_code == 200


def test_a_range_is_kept_in_the_graph_and_the_links(place: SiteSetup):
    """Another range shows another graph, and the JSON of the same days."""
    page = place.fill(*TABLE).client().get("/?days=7").text
    assert 'src="/graph.svg?days=7"' in page
    assert 'href="/api/v1/runs?days=7"' in page


def test_a_browser_gets_errors_as_a_page(place: SiteSetup):
    """Where HTML is asked for an error is a page with a way back, escaped as well."""
    response = place.client().get("/<b>", headers={"Accept": "text/html,*/*"})
    assert response.status_code == 404
    assert "nothing at /&lt;b&gt;" in response.text


def test_a_long_outage_is_counted_to_its_beginning(place: SiteSetup):
    """The row of failures is longer than the table."""
    long = [
        make_failed_attempt(minute / 2, dataclasses.replace(DNS, message=f"no {minute}")) for minute in range(1, 61)
    ]
    page = page_text(place.fill(make_attempt(0), *long))
    assert "60 failed tests in a row" in page
    assert page.count("Name lookup failed") == 30


def test_outages_are_listed_with_the_tests_at_their_ends(place: SiteSetup):
    """Begin, end, length and cause of each, and how sure both ends are."""
    story = [make_attempt(-90), make_failed_attempt(-60), make_failed_attempt(-50), make_attempt(-40)]
    page = page_text(place.fill(*story))
    assert "2026-11-23 13:17 to 2026-11-23 13:37 (20 min) name lookup failed, Could not resolve host" in page
    edges = (12, 47), (13, 17), (13, 27), (13, 37)
    before, first, last, after = (f"2026-11-23 {hour}:{minute}" for hour, minute in edges)
    assert f"last good {before}, first failed {first}; last failed {last}, first good {after}" in page


def test_the_page_says_how_many_tests_met_the_plan(place: SiteSetup):
    """At or above 90 % of the plan that each was stored with."""
    rates = (90_000_000, 89_999_999, 100_000_000, 95_000_000)
    page = page_text(place.fill(*(make_attempt(-at, download_bps=rate) for at, rate in enumerate(rates))))
    assert "Download: at least 90 % of the plan in 75 % of the tests (30 days)." in page
    assert "Upload: at least" not in page


def test_this_machines_faults_are_no_part_of_an_outage_that_lasts(place: SiteSetup):
    """The headline counts the tests that failed since the last proof that the line works."""
    local = Failure(FailureKind.NAMESPACE, Scope.LOCAL, None, "it is missing")
    refused = Failure(FailureKind.REFUSED, Scope.PROVIDER, None, "refused")
    story = [make_failed_attempt(-50), make_failed_attempt(-40, refused), make_failed_attempt(-30)]
    page = page_text(place.fill(*story, make_failed_attempt(-20, local), make_failed_attempt(-10)))
    assert "Since Mon 23 Nov 2026, 13:47 CET" in page
    assert "2 failed tests in a row" in page


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("/?days=0", "days: '0' is not a number of days, such as 30, or all"),
        ("/?graph=pie", "graph: 'pie' is not a kind of graph: see the links above the graph of the first page"),
        ("/runs?cursor=x", "cursor: 'x' is not a cursor: take the address from `Link` of the page before"),
        ("/api/v1/incidents?cursor=x", "cursor: 'x' is not a cursor: take the address from `Link` of the page before"),
        ("/api/v1/runs/zz", "run_id: 'zz' is not the id of a run"),
    ],
)
def test_a_mistake_in_the_address_is_named_in_words(place: SiteSetup, address: str, message: str):
    """No pattern is shown to a person."""
    assert_error(place.client().get(address), 422, "invalid_parameter", message)


def test_a_long_mistake_is_cut(place: SiteSetup):
    """The answer does not repeat thousands of characters."""
    assert len(place.client().get(f"/?days={'9' * 3000}").text) < 300
