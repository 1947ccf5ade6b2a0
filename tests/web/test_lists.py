"""The pages of tests, of one test, of outages and of servers; run now, pause and report."""

from __future__ import annotations

import os
import re
import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from example_runs import make_attempt, make_failed_attempt
from msgspec import structs
from web_client import NOW, TABLE, SiteSetup, assert_error, csrf_of

from monitor.config.settings import CollectSettings, DatabaseSettings, ProbeSettings, Settings
from monitor.model import Server, Trace
from monitor.scheduler.requested import RequestedTests
from monitor.store.pause import read_pause
from netns.probe.findings import Findings, ProbeAnswer, StoredVerdict
from web import lists
from web.reports import ReportMaker

if TYPE_CHECKING:
    from pathlib import Path

    from web_client import Client


@pytest.fixture
def place(tmp_path: Path) -> SiteSetup:
    """Return a site over an empty store."""
    return SiteSetup(f"sqlite:///{tmp_path}/speedmon.db")


def links(text: str, beginning: str) -> list[str]:
    """Return the links of a page that begin with a text, in order."""
    return [link.replace("&amp;", "&") for link in re.findall(r'href="([^"]+)"', text) if link.startswith(beginning)]


def test_pages_of_tests_are_the_whole_list_though_new_ones_come(place: SiteSetup, monkeypatch: pytest.MonkeyPatch):
    """Each test is on one page; tests that are stored meanwhile move nothing."""
    monkeypatch.setattr(lists, "ROWS", 2)
    attempts = [make_attempt(minute) for minute in range(5)]
    client = place.fill(*attempts).client()
    shown, address = [], "/runs?days=7"
    for number in range(3):
        page = client.get(address)
        shown += [link.removeprefix("/runs/") for link in links(page.text, "/runs/")]
        place.fill(make_attempt(10 + number))
        older = re.search(r'rel="next" href="([^"]+)"', page.text)
        address = older[1].replace("&amp;", "&") if older else ""
    assert shown == [one.run.id for one in reversed(attempts)]
    assert address == ""


@pytest.mark.parametrize(
    ("query", "count"),
    [("", 4), ("status=failed", 1), ("status=failed&scope=provider", 0), ("kind=dns", 1), ("isp=&server=7&path=", 1)],
)
def test_the_filters_choose(place: SiteSetup, query: str, count: int):
    """A form sends each of its fields, the empty ones too; the CSV is of the same tests."""
    place.fill(*TABLE, make_attempt(40, server=Server("7", "Other")))
    page = place.client().get(f"/runs?{query}")
    assert len(links(page.text, "/runs/")) == count
    (csv,) = links(page.text, "/api/v1/runs?")
    assert place.client().get(csv).text.count("\r\n") == count + 1


def test_one_test_with_everything(place: SiteSetup):
    """Cause, evidence, facts, what the kernel counted, and the raw output are on the page of a test."""
    verdict = StoredVerdict("line", "silent", "nothing came back", proofs=("1.1.1.1",))
    findings = Findings(hosts=(ProbeAnswer("1.1.1.1:443", "ETIMEDOUT"),), verdict=verdict)
    trace = Trace(500, ((1_000_000, 10_000, 0, 0), (500_000, 5_000, 0, 0)))
    failed = replace(make_failed_attempt(15), findings=findings, trace=trace)
    text = place.fill(failed).client().get(f"/runs/{failed.run.id}").text
    for part in (
        "Could not resolve host",
        "by the rule “silent”: nothing came back",
        "<polyline",
        "16.0 Mbit/s",
        "[e]",
    ):
        assert part in text
    assert_error(
        place.client().get(f"/runs/{'0' * 8}-0000-0000-0000-{'0' * 12}"), 404, "not_found", "no run with this id"
    )


def test_outages_have_their_edges_their_tests_and_evidence(place: SiteSetup):
    """Each leads to its first failed test, and to all of them."""
    verdict = StoredVerdict("line", "silent", "nothing came back")
    first = replace(make_failed_attempt(15), findings=Findings(verdict=verdict))
    client = place.fill(make_attempt(0), first, make_failed_attempt(20), make_attempt(30)).client()
    text = client.get("/outages").text
    assert "last good 2026-11-23 14:17, first failed 2026-11-23 14:32" in text
    assert "nothing came back" in text
    assert links(text, "/runs/") == [f"/runs/{first.run.id}"]
    (failed,) = links(text, "/runs?status=failed")
    assert len(links(client.get(failed).text, "/runs/")) == 2


def test_servers_lead_to_their_tests(place: SiteSetup):
    """The servers have medians, and the data used stands below."""
    client = place.fill(*TABLE, make_attempt(40, download_bytes=3_000_000_000, upload_bytes=0)).client()
    text = client.get("/servers").text
    assert re.search(r"<td>2026-11</td>.*>3\.\d\d<", text)
    (tests,) = links(text, "/runs?server")
    assert len(links(client.get(tests).text, "/runs/")) == 3


def wait_for_tests() -> None:
    """Wait until the tests that were asked for have ended."""
    for thread in threading.enumerate():
        if thread.name == "requested test":
            thread.join(120)


def act(client: Client, **form: str) -> Any:
    """Send the form of the page of tests."""
    csrf, cookie = csrf_of(client.get("/test"))
    return client.request("POST", "/test", headers=cookie, data={"csrf": csrf, **form})


def test_a_click_runs_a_test_which_another_click_cancels(place: SiteSetup, tmp_path: Path):
    """The page shows the running one; a second click is told so; cancelling and a result lead back to the page."""
    os.mkfifo(tmp_path / "door")
    collect = structs.replace(CollectSettings(), lock_file=str(tmp_path / "lock"))
    settings = Settings(collect=collect, database=DatabaseSettings(place.url))
    script = ["/bin/sh", "-c", f"read x < {tmp_path}/door"]
    place.requested = RequestedTests(settings, None, lambda _run_id: script)
    client = place.fill(*TABLE).client()
    started = act(client, action="start")
    assert (started.status_code, started.headers["location"]) == (303, "/test")
    current = client.get("/api/v1/tests/current").json()
    assert current == {"id": place.requested.current, "progress": None, "text": "starting", "problem": ""}
    second = act(client, action="start")
    assert second.status_code == 409
    assert f"a test that was started on the page is running: {current['id']}" in second.text
    assert "Cancel the test" in second.text
    assert act(client, action="cancel").status_code == 303
    wait_for_tests()
    assert client.get("/api/v1/tests/current").json()["id"] is None
    assert "no test is running" in act(client, action="cancel").text


def test_a_page_of_another_database_runs_nothing(place: SiteSetup):
    """It says so, and offers no button."""
    text = place.fill(*TABLE).client().get("/test").text
    assert "This page runs no tests" in text
    assert "<button" not in text


def test_the_schedule_is_paused_and_resumed(place: SiteSetup, tmp_path: Path):
    """The form and the API write the file that cron's tests read, and say what is no length."""
    file = tmp_path / "pause.json"
    place.pause_file, place.paused = file, lambda: read_pause(file, NOW)
    client = place.fill(*TABLE).client()
    assert act(client, action="pause", length="2h", reason="guests").status_code == 303
    assert client.get("/api/v1/pause").json() == {"until": "2026-11-23T16:00:00Z", "reason": "guests"}
    assert "No scheduled tests until Mon 23 Nov 2026, 17:00 CET: <bdi>guests</bdi>" in client.get("/test").text
    assert act(client, action="resume").status_code == 303
    assert client.get("/api/v1/pause").json() is None
    wrong = act(client, action="pause", length="soon")
    assert (wrong.status_code, "is no length of a pause" in wrong.text) == (409, True)


def test_a_report_is_made_to_open_and_to_save(place: SiteSetup, tmp_path: Path):
    """HTML opens with a policy of its own, its data is downloaded, and no page makes one where there is no maker."""
    (tmp_path / "home").mkdir()
    settings = Settings(
        probe=ProbeSettings("home"),
        collect=structs.replace(CollectSettings(), lock_file=str(tmp_path / "lock")),
        database=DatabaseSettings(place.url),
    )
    place.reports = ReportMaker(settings, None, ["--database-url", place.url])
    recent = timedelta(days=30)
    client = place.fill(*TABLE).client()
    assert '<option value="pdf">' in client.get("/report").text
    answer = client.get(f"/report/document?days={recent.days}&format=csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="speedmon-30d-report.csv"'
    assert answer.text.startswith("id,")
    place.reports = None
    assert_error(place.client().get("/report/document"), 409, "conflict", "makes no reports")


def test_a_report_opens_with_its_own_policy(place: SiteSetup, monkeypatch: pytest.MonkeyPatch):
    """Its styles are in it, and no script runs in it."""
    place.reports = ReportMaker(Settings(), None)
    monkeypatch.setattr(ReportMaker, "make", lambda _self, _days, _form: b"<p>report</p>")
    answer = place.fill(*TABLE).client().get("/report/document")
    assert "style-src 'unsafe-inline'" in answer.headers["content-security-policy"]
    assert "script-src" not in answer.headers["content-security-policy"]
    assert answer.headers["content-disposition"].startswith("inline")
