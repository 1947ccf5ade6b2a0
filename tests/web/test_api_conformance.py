"""Whatever is asked of the API, it answers as its own description says; requests are made up by Schemathesis."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import schemathesis
from example_runs import make_attempt, make_failed_attempt
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from web_client import ADDRESS, NOW, SiteSetup

from web.access import AccessRules
from web.tokens import Role, make_token

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

# Requests of each endpoint.
EXAMPLES = 6

RUNS = (make_attempt(0), make_failed_attempt(15), make_attempt(30, healthy=False))

SECRET, TOKEN = make_token("fuzzer", Role.ADMIN, NOW)


def test_every_answer_is_as_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Status, type, headers and content of every answer are in /openapi.json, and none is an error of ours."""
    monkeypatch.setattr("web.graphs.draw_graph", lambda _request: b"a graph")
    place = SiteSetup(f"sqlite:///{tmp_path}/speedmon.db").fill(*RUNS)
    place.access, place.pause_file = AccessRules(tokens=lambda: (TOKEN,)), tmp_path / "pause.json"
    transport = place.client().transport
    with asyncio.Runner() as runner:
        client = httpx.AsyncClient(transport=transport, base_url=ADDRESS)
        document = runner.run(client.get("/openapi.json")).json()
        operations = [result.ok() for result in schemathesis.openapi.from_dict(document).get_all_operations()]
        for operation in operations:
            _try_operation(operation, client, runner)
        runner.run(client.aclose())
    assert len(operations) > 20


def _try_operation(operation: Any, client: httpx.AsyncClient, runner: asyncio.Runner) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def try_case(case: Any) -> None:
        if "run_id" in case.path_parameters and len(str(case.query)) % 2 == 0:
            case.path_parameters["run_id"] = RUNS[0].run.id
        options = case.as_transport_kwargs(base_url=ADDRESS)
        options["headers"] = {**options.get("headers", {}), "Authorization": f"Bearer {SECRET}"}
        options.pop("cookies", None)
        answer = runner.run(client.request(**options))
        answer.elapsed = NOW - NOW
        case.validate_response(Response.from_any(answer), checks=CHECKS)

    try_case()
