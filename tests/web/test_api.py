"""The JSON API: the contract's shape, filters, and one shape for every error."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import msgspec
import pytest
from example_runs import make_attempt, make_failed_attempt
from web_client import NOW, TABLE, SiteSetup, assert_error

from monitor.collect.progress import RunningTest
from monitor.errors import SpeedmonError
from monitor.model import Run
from monitor.output.export import to_json_array
from web.access import AccessRules
from web.tokens import Role, make_token

if TYPE_CHECKING:
    from pathlib import Path

    from web.graph_request import GraphRequest


@pytest.fixture
def place(tmp_path: Path) -> SiteSetup:
    """Return a site over an empty store."""
    return SiteSetup(f"sqlite:///{tmp_path}/speedmon.db")


def test_runs_are_those_of_history_newest_first(place: SiteSetup):
    """The body is byte for byte what `history --json` prints."""
    body = place.fill(*TABLE).client().get("/api/v1/runs").text
    assert body == "".join(to_json_array(one.run for one in reversed(TABLE)))


def test_every_key_of_the_contract_is_there(place: SiteSetup):
    """Each object has all keys in their order, null where nothing is known, times that end in Z."""
    run = place.fill(make_failed_attempt(0)).client().get("/api/v1/runs").json()[0]
    assert list(run) == [field.name for field in dataclasses.fields(Run)]
    assert run["started_at"] == "2026-11-23T13:17:03Z"
    assert run["download_bps"] is None
    assert msgspec.convert(run, Run).failure == make_failed_attempt(0).run.failure


def test_a_window_comes_as_buckets(place: SiteSetup):
    """Whatever its length, a window is a bounded number of buckets, with medians where asked."""
    client = place.fill(*TABLE).client()
    buckets = client.get("/api/v1/buckets?days=365&most=12&medians=true").json()
    assert 1 <= len(buckets) <= 12
    assert sum(bucket["runs"] for bucket in buckets) == len(TABLE)
    assert buckets[-1]["download_bps"]["median"] == 95_656_417
    assert client.get("/api/v1/buckets?path=host").json() == []
    assert_error(client.get("/api/v1/buckets?most=2001"), 422, "invalid_parameter", "most: ")


def test_outages_are_those_of_the_command(place: SiteSetup):
    """Newest first, with the tests at their edges."""
    gone, back = make_failed_attempt(-60), make_attempt(-40)
    client = place.fill(make_attempt(-90), gone, back, make_failed_attempt(-20)).client()
    ongoing, ended = client.get("/api/v1/incidents").json()
    assert (ongoing["ended"], ongoing["length_s"], ongoing["last_good"]) == (None, None, "2026-11-23T12:37:03Z")
    assert (ended["length_s"], ended["first_good"]) == (1200, "2026-11-23T12:37:03Z")
    assert client.get("/api/v1/incidents?path=host").json() == []


def test_the_progress_of_a_running_test(place: SiteSetup):
    """The progress is that of the running test, null when none runs."""
    moment = RunningTest("ookla", "ip4only", 1.5, phase="upload", rate_bps=5)
    assert place.client().get("/api/v1/progress").json() is None
    progress = dataclasses.replace(place, running=lambda: moment).client().get("/api/v1/progress").json()
    assert progress == dataclasses.asdict(moment)


def test_an_empty_store_is_an_empty_array(place: SiteSetup):
    """An empty store is not an error."""
    assert place.client().get("/api/v1/runs").json() == []


@pytest.mark.parametrize(
    ("query", "minutes"),
    [
        ("", [30, 15, 0]),
        ("?limit=2", [30, 15]),
        ("?status=failed", [15]),
        ("?status=ok&limit=1", [30]),
        ("?days=40", [30, 15, 0, -50_000]),
        ("?days=1", [30, 15, 0]),
    ],
)
def test_filters(place: SiteSetup, query: str, minutes: list[int]):
    """Days, limit and status narrow the list; the limit counts what the status left."""
    old = make_attempt(-50_000)
    runs = {one.run.id: at for one, at in zip((*TABLE, old), (0, 15, 30, -50_000), strict=True)}
    listed = place.fill(*TABLE, old).client().get(f"/api/v1/runs{query}").json()
    assert [runs[run["id"]] for run in listed] == minutes


@pytest.mark.parametrize("path", ["/nothing", "/static/nothing.css", "/api/v1/run", "/docs"])
def test_an_unknown_path_is_an_error(place: SiteSetup, path: str):
    """An unknown path is 404, and there is no page that loads scripts from elsewhere."""
    assert_error(place.client().get(path), 404, "not_found", path)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/api/v1/runs?days=0", "days: "),
        ("/api/v1/runs?limit=x", "limit: "),
        ("/api/v1/runs?status=good", "status: "),
        ("/graph.png?days=3661", "days: "),
        ("/graph.png?size=huge", "size: "),
        ("/?days=-1", "days: "),
    ],
)
def test_a_bad_parameter_is_an_error(place: SiteSetup, path: str, says: str):
    """A parameter that cannot be used is 422 and named."""
    assert_error(place.client().get(path), 422, "invalid_parameter", says)


@pytest.mark.parametrize("path", ["/api/v1/runs", "/", "/graph.png"])
def test_a_store_that_cannot_be_read_is_an_error(
    place: SiteSetup, path: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """A damaged database is 503 everywhere; where the file lies is said in the log only."""
    (tmp_path / "speedmon.db").write_text("this is no database, whatever its name says\n" * 100)
    response = place.client().get(path)
    assert_error(response, 503, "store_unavailable", "the log of speedmon serve says why")
    assert response.headers["retry-after"] == "60"
    assert str(tmp_path) not in response.text
    assert str(tmp_path) in caplog.text


def test_an_unexpected_error_has_the_shape_of_all_errors(place: SiteSetup):
    """A defect is 500, and reveals nothing about itself."""

    def broken() -> None:
        raise RuntimeError("secret")

    place.next_slot = broken
    response = place.fill(make_attempt()).client().get("/")
    assert_error(response, 500, "unexpected", "the log of speedmon serve says more")
    assert "secret" not in response.text
    assert "Content-Security-Policy" in response.headers


@pytest.mark.parametrize("accept", ["*/*", "text/html"])
def test_an_error_of_this_machine_names_no_file(
    place: SiteSetup, tmp_path: Path, accept: str, monkeypatch: pytest.MonkeyPatch
):
    """Where a graph cannot be drawn, program and folder are in the log, not in the answer."""

    def broken(_request: GraphRequest) -> bytes:
        raise SpeedmonError(f"no graph can be drawn: Too many open files: {tmp_path}/bin/python")

    monkeypatch.setattr("web.graphs.draw_graph", broken)
    response = place.client().get("/graph.png", headers={"Accept": accept})
    assert response.status_code == 500
    assert str(tmp_path) not in response.text


def test_a_wrong_method_is_an_error(place: SiteSetup):
    """Runs are stored by tests alone, whoever asks."""
    secret, token = make_token("ann", Role.ADMIN, NOW)
    place.access = AccessRules(tokens=lambda: (token,))
    answer = place.client().request("POST", "/api/v1/runs", headers={"Authorization": f"Bearer {secret}"})
    assert_error(answer, 405, "method_not_allowed", "Method Not Allowed")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_health(place: SiteSetup, method: str):
    """A monitor can ask whether the daemon answers."""
    assert place.client().request(method, "/healthz").status_code == 200


def test_openapi_documents_the_run(place: SiteSetup):
    """The response is a list of `Run`, with its field names and nothing else, and errors have their shape."""
    document = place.client().get("/openapi.json").json()
    answers = document["paths"]["/api/v1/runs"]["get"]["responses"]
    schema = answers["200"]["content"]["application/json"]["schema"]
    assert schema["items"] == {"$ref": "#/components/schemas/Run"}
    assert list(document["components"]["schemas"]["Run"]["properties"]) == [
        field.name for field in dataclasses.fields(Run)
    ]
    assert answers["422"]["content"]["application/json"]["schema"]["required"] == ["error"]
