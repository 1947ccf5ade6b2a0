"""The list of runs: filters, pages, entity tags, compression and CSV."""

from __future__ import annotations

import dataclasses
import gzip
import re
from typing import TYPE_CHECKING, Any

import pytest
from example_runs import make_attempt, make_failed_attempt
from web_client import TABLE, SiteSetup, assert_error

from monitor.model import FailureKind, NetworkPath, Scope, Server, Trigger
from monitor.output.export import to_csv_lines
from web import run_list

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.model import Attempt


@pytest.fixture
def place(tmp_path: Path) -> SiteSetup:
    """Return a site over an empty store."""
    return SiteSetup(f"sqlite:///{tmp_path}/speedmon.db")


def ids(attempts: list[Attempt]) -> list[str]:
    """Return the ids of attempts."""
    return [attempt.run.id for attempt in attempts]


@pytest.mark.parametrize("piece", [1, 2, 200])
def test_pages_together_are_the_whole_list(place: SiteSetup, monkeypatch: pytest.MonkeyPatch, piece: int):
    """`Link` leads from page to page, each run is on one of them, and runs of the same second are not lost."""
    monkeypatch.setattr(run_list, "PIECE", piece)
    attempts = [make_attempt(minutes // 3) for minutes in range(11)]
    client = place.fill(*attempts).client()
    listed, query = [], "?limit=4&status=ok"
    for _ in range(4):
        answer = client.get(f"/api/v1/runs{query}")
        listed.append([run["id"] for run in answer.json()])
        if "link" not in answer.headers:
            break
        link = re.fullmatch(r'<(\?[^>]*)>; rel="next"', answer.headers["link"])
        assert link
        query = link[1]
        assert f"cursor={answer.headers['next-cursor']}" in query
    assert [len(page) for page in listed] == [4, 4, 3]
    assert [run for page in listed for run in page] == ids(attempts)[::-1]


def test_a_page_is_small_by_default(place: SiteSetup):
    """Without a limit the list is a page of a hundred runs, not megabytes."""
    answer = place.fill(*(make_attempt(minutes) for minutes in range(-110, 0))).client().get("/api/v1/runs")
    assert len(answer.json()) == run_list.DEFAULT_RUNS == 100
    assert "link" in answer.headers


@pytest.mark.parametrize("query", ["limit=10001", "limit=0", "cursor=x", "cursor=1", "cursor=1.2.3", "format=xml"])
def test_what_a_page_may_hold_is_bounded(place: SiteSetup, query: str):
    """A page of more runs than the limit, and a cursor that is none, are refused."""
    assert_error(place.client().get(f"/api/v1/runs?{query}"), 422, "invalid_parameter", query.partition("=")[0])


@pytest.mark.parametrize(
    ("query", "changes"),
    [
        ("server=7", {"server": Server("7", "Other")}),
        ("isp=Other+%26+Sons", {"isp": "Other & Sons"}),
        ("address=192.0.2.9", {"external_ip": "192.0.2.9"}),
        ("trigger=schedule", {"trigger": Trigger.SCHEDULE}),
        ("path=host", {"path": NetworkPath.HOST}),
        ("probe=cabin", {"probe": "cabin"}),
        ("from=2026-11-23T14:22:00%2B01:00", {}),
        ("from=2026-11-23T14:22", {}),
        ("from=2026-11-23T13:22:00Z&to=2026-11-23T13:30:00Z", {}),
    ],
)
def test_filters_select_runs(place: SiteSetup, query: str, changes: dict[str, Any]):
    """Each value of a run narrows the list; a time without a zone is in that of the page."""
    wanted, other = make_attempt(5, **changes), make_attempt(0)
    listed = place.fill(wanted, other).client().get(f"/api/v1/runs?{query}").json()
    assert [run["id"] for run in listed] == ids([wanted])


def test_failures_are_found_by_kind_and_scope(place: SiteSetup):
    """A failure has a kind and a scope; a success has neither."""
    failure = make_failed_attempt(0)
    assert failure.run.failure is not None
    local = make_failed_attempt(
        1, failure=dataclasses.replace(failure.run.failure, kind=FailureKind.LICENCE, scope=Scope.CONFIG)
    )
    client = place.fill(failure, local, make_attempt(2)).client()
    assert [run["id"] for run in client.get("/api/v1/runs?kind=dns").json()] == ids([failure])
    assert [run["id"] for run in client.get("/api/v1/runs?scope=config").json()] == ids([local])


@pytest.mark.parametrize("query", ["from=2026-11-24&to=2026-11-23", "from=yesterday"])
def test_a_window_that_cannot_be_is_an_error(place: SiteSetup, query: str):
    """A window ends after it begins, and its ends are times."""
    assert_error(place.client().get(f"/api/v1/runs?{query}"), 422, "invalid_parameter", "from: ")


@pytest.mark.parametrize("query", ["from=0001-01-01", "to=9999-12-31T23:59:59-12:00", "to=0001-01-01T00:00%2B14:00"])
@pytest.mark.parametrize("path", ["/api/v1/runs", "/api/v1/stats", "/api/v1/buckets"])
def test_any_time_that_can_be_written_is_no_defect(place: SiteSetup, path: str, query: str):
    """The ends of the calendar do not break an answer."""
    assert place.client().get(f"{path}?{query}").status_code in {200, 422}


@pytest.mark.parametrize(
    ("query", "accept"),
    [("?format=csv", "*/*"), ("", "text/csv"), ("", "text/csv, application/json;q=0.5"), ("?format=csv&limit=900", "")],
)
def test_a_list_is_csv_where_it_is_asked_for(place: SiteSetup, query: str, accept: str):
    """The CSV is that of `history --csv`."""
    answer = place.fill(*TABLE).client().get(f"/api/v1/runs{query}", headers={"Accept": accept})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.content.decode() == "".join(to_csv_lines(one.run for one in reversed(TABLE)))


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/html", "application/json, text/csv"])
def test_a_list_is_json_else(place: SiteSetup, accept: str):
    """Who asks for JSON, or for anything, gets JSON."""
    answer = place.client().get("/api/v1/runs", headers={"Accept": accept})
    assert answer.headers["content-type"] == "application/json"


def test_an_answer_that_is_known_is_not_sent_again(place: SiteSetup):
    """With its entity tag a client gets 304 and no body, until a run comes."""
    client = place.fill(*TABLE).client()
    tag = client.get("/api/v1/runs").headers["etag"]
    for known in (tag, f'"x", {tag}', tag.removeprefix("W/")):
        answer = client.get("/api/v1/runs", headers={"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert client.get("/api/v1/runs?format=csv").headers["etag"] != tag
    place.fill(make_attempt(40))
    assert client.get("/api/v1/runs", headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize("limit", [100, 5000])
def test_answers_are_compressed(place: SiteSetup, limit: int):
    """Small and streamed answers are the same in gzip; who does not accept that gets them plain."""
    client = place.fill(*(make_attempt(minutes) for minutes in range(-50, 0))).client()
    path = f"/api/v1/runs?limit={limit}"
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    packed = client.get(path, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    assert len(gzip.compress(plain.content)) < len(plain.content) / 3
