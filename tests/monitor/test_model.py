"""The texts that the domain types have: names of servers, and why a run has no result."""

from __future__ import annotations

from dataclasses import replace

import pytest
from example_runs import make_attempt, make_failed_attempt

from monitor.model import Failure, FailureKind, Scope, Server, Status, describe_failure, describe_server, server_name


@pytest.mark.parametrize(
    ("server", "name"),
    [
        (None, ""),
        (Server(), ""),
        (Server("1", "N", "L", "C", "h"), "N, L"),
        (Server("1", "N"), "N"),
        (Server("1", host="h"), "h"),
        (Server("1"), "1"),
    ],
)
def test_a_server_is_called_by_the_best_name_it_has(server: Server | None, name: str):
    """Name and place first, then the host, then the number."""
    assert server_name(server) == name


@pytest.mark.parametrize(
    ("server", "text"),
    [
        (None, ""),
        (Server(), ""),
        (Server("1", "N", "L", "C", "h"), "N, L (no. 1)"),
        (Server(None, "N", "L"), "N, L"),
        (Server("1", host="h"), "h (no. 1)"),
        (Server("1"), "no. 1"),
    ],
)
def test_the_description_of_a_server_has_its_number(server: Server | None, text: str):
    """By the number an engineer finds the server."""
    assert describe_server(server) == text


def test_a_failure_is_described_by_kind_scope_and_message():
    """The stage is named only where there is room for it; a measured run has no failure."""
    run = replace(make_failed_attempt().run, failure=Failure(FailureKind.DNS, Scope.LINE, "start", "no answer"))
    assert describe_failure(run) == "dns (line): no answer"
    assert describe_failure(run, with_stage=True) == "dns (line, at start): no answer"
    assert describe_failure(make_attempt().run) == ""


def test_a_skipped_run_has_a_reason_and_no_cause():
    """Nothing failed, so nobody is at fault."""
    reason = Failure(FailureKind.UNKNOWN, Scope.LOCAL, None, "quiet hours")
    run = replace(make_failed_attempt().run, status=Status.SKIPPED, failure=reason)
    assert describe_failure(run, with_stage=True) == "quiet hours"
