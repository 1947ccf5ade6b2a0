"""The other answers of the API: figures, lists as JSON and CSV, one run, and the shapes of other programs."""

from __future__ import annotations

import csv
import io
import xml.etree.ElementTree as ET
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
from example_runs import make_attempt, make_failed_attempt
from web_client import NOW, TABLE, SiteSetup, assert_error

from monitor.model import Attempt, Server, Status, Trigger

if TYPE_CHECKING:
    from pathlib import Path

LISTS = ("runs", "buckets", "incidents", "servers", "usage", "probes")


@pytest.fixture
def place(tmp_path: Path) -> SiteSetup:
    """Return a site over an empty store."""
    return SiteSetup(f"sqlite:///{tmp_path}/speedmon.db")


@pytest.mark.parametrize("name", LISTS)
def test_every_list_is_csv_too(place: SiteSetup, name: str):
    """CSV has as many rows as JSON has objects; an empty list is its header."""
    empty = csv_rows(place.client().get(f"/api/v1/{name}?format=csv").text)
    client = place.fill(*TABLE).client()
    objects = client.get(f"/api/v1/{name}").json()
    header, *rows = csv_rows(client.get(f"/api/v1/{name}", headers={"Accept": "text/csv"}).text)
    assert empty == [header]
    assert len(rows) == len(objects) >= 1
    assert {len(row) for row in rows} == {len(header)}


def csv_rows(text: str) -> list[list[str]]:
    """Return the rows of a CSV."""
    return [*csv.reader(io.StringIO(text))]


def test_a_name_is_no_formula_in_a_spreadsheet(place: SiteSetup):
    """A server that calls itself like a formula stays a text."""
    name = "=cmd|' /C calc'!A1"
    client = place.fill(make_attempt(0, server=Server("1", name))).client()
    _, row = csv_rows(client.get("/api/v1/servers?format=csv").text)
    assert f"'{name}" in row
    assert client.get("/api/v1/servers").json()[0]["name"] == name


def test_one_run_has_everything(place: SiteSetup):
    """A run comes with its plan, raw output, diagnosis and trace, as `show --json` prints it."""
    attempt = make_failed_attempt(0)
    answer = place.fill(attempt).client().get(f"/api/v1/runs/{attempt.run.id}")
    assert msgspec.json.decode(answer.content, type=Attempt).run == attempt.run
    assert set(answer.json()) == {"run", "plan", "raw", "findings", "trace"}


@pytest.mark.parametrize("run_id", ["0" * 36, "last", "1", "%25", "../../etc/passwd"])
def test_an_unknown_run_is_an_error(place: SiteSetup, run_id: str):
    """What is no id, or that of no run, is 404 or 422; the beginning of an id is not enough."""
    assert place.fill(*TABLE).client().get(f"/api/v1/runs/{run_id}").status_code in {404, 422}
    assert place.client().get(f"/api/v1/runs/{TABLE[0].run.id[:8]}").status_code == 422


def test_a_run_of_a_probe_that_is_not_shown_is_unknown(place: SiteSetup):
    """A site for some probes has no run of others."""
    hidden = make_attempt(0, probe="cabin")
    place.fill(hidden, make_attempt(1)).probes = ("home",)
    assert_error(place.client().get(f"/api/v1/runs/{hidden.run.id}"), 404, "not_found", "no run")


def test_the_latest_run_is_the_newest(place: SiteSetup):
    """Whatever came of it; before the first there is none."""
    assert_error(place.client().get("/api/v1/latest"), 404, "not_found", "nothing has been measured yet")
    newest = make_failed_attempt(40)
    assert place.fill(*TABLE, newest).client().get("/api/v1/latest").json()["id"] == newest.run.id


def test_stats_are_of_the_window_and_of_the_one_before(place: SiteSetup):
    """Median, lowest and highest of a window, the share of the plan, and the same of the window before."""
    day = timedelta(days=1)
    now = [
        make_attempt(started_at=NOW - day / 4 * n, download_bps=rate)
        for n, rate in ((1, 90_000_000), (2, 80_000_000), (3, 10_000_000))
    ]
    before = make_attempt(started_at=NOW - day * 1.5, download_bps=40_000_000)
    stats = place.fill(*now, before, make_failed_attempt(0)).client().get("/api/v1/stats?days=1").json()
    assert (stats["window"]["runs"], stats["window"]["failed"]) == (4, 1)
    assert {key: stats["window"]["download_bps"][key] for key in ("median", "min", "max")} == {
        "median": 80_000_000,
        "min": 10_000_000,
        "max": 90_000_000,
    }
    assert stats["download_plan_pct"] == 80.0
    assert (stats["before"]["runs"], stats["before"]["download_bps"]["median"]) == (1, 40_000_000)


def test_stats_without_runs_are_null(place: SiteSetup):
    """What was not measured is null, never 0."""
    stats = place.client().get("/api/v1/stats").json()
    assert (stats["window"]["runs"], stats["window"]["download_bps"], stats["download_plan_pct"]) == (0, None, None)


def test_probes_come_with_their_newest_attempt(place: SiteSetup):
    """Each probe has its newest attempt and its last success, over whichever path."""
    client = place.fill(*TABLE, make_failed_attempt(40), make_attempt(3, probe="cabin")).client()
    cabin, home = client.get("/api/v1/probes").json()
    assert (cabin["probe"], cabin["last_status"]) == ("cabin", "ok")
    assert (home["last_status"], home["last_success_at"]) == ("failed", "2026-11-23T13:47:03Z")


def test_homepage_reads_the_first_version_in_mbits(place: SiteSetup):
    """Its widget multiplies the rates by 1,000,000 to get bit/s."""
    data = place.fill(make_attempt(0)).client().get("/api/speedtest/latest").json()["data"]
    assert (data["download"] * 1e6, data["upload"] * 1e6, data["ping"]) == (95_656_417, 17_336_336, 4.2)
    assert data["failed"] is False


def test_homepage_reads_the_second_version_in_bytes(place: SiteSetup):
    """Its widget multiplies the rates by 8 to get bit/s."""
    data = place.fill(make_attempt(0)).client().get("/api/v1/results/latest").json()["data"]
    assert data["download"] * 8 == pytest.approx(95_656_417, abs=8)
    assert data["upload"] * 8 == pytest.approx(17_336_336, abs=8)
    assert (data["ping"], data["download_bits"], data["status"]) == (4.2, 95_656_417, "completed")


@pytest.mark.parametrize("path", ["/api/speedtest/latest", "/api/v1/results/latest"])
def test_dashboards_get_no_old_rate_after_a_failure(place: SiteSetup, path: str):
    """After a failure the rates are null, neither 0 nor the old ones; a slot without a test changes nothing."""
    skipped = make_attempt(50, status=Status.SKIPPED, trigger=Trigger.SCHEDULE)
    data = place.fill(*TABLE, skipped).client().get(path).json()["data"]
    assert data["download"]
    data = place.fill(make_failed_attempt(55)).client().get(path).json()["data"]
    assert (data["download"], data["upload"], data["ping"]) == (None, None, None)


@pytest.mark.parametrize("path", ["/api/speedtest/latest", "/api/v1/results/latest"])
def test_dashboards_get_an_error_before_the_first_test(place: SiteSetup, path: str):
    """There is nothing to show."""
    assert_error(place.client().get(path), 404, "not_found", "nothing has been measured yet")


@pytest.mark.parametrize(
    ("attempt", "text"),
    [
        (None, "internet: not measured yet"),
        (make_attempt(0), "internet: 95.7 / 17.3 Mbit/s"),
        (make_failed_attempt(0), "internet: test failed"),
    ],
)
def test_the_badge_says_what_the_last_test_was(place: SiteSetup, attempt: Attempt | None, text: str):
    """It is an SVG with a text that a screen reader reads."""
    answer = (place.fill(attempt) if attempt else place).client().get("/badge.svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert ET.fromstring(answer.text).get("aria-label") == text  # noqa: S314  our own


def test_the_reference_needs_nothing_from_elsewhere(place: SiteSetup):
    """It has every path of the API with its parameters, and loads no script and nothing of another host."""
    client = place.client()
    page = client.get("/api").text
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        assert f"<code>{path}</code>" in page
        for parameter in (one for method in methods.values() for one in method.get("parameters", ())):
            assert f"<code>{parameter['name']}</code>" in page
    assert "ip4only, host" in page
    assert "integer from 1 to 2000" in page
    assert "text, can be repeated" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
