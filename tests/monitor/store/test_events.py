"""Changes of the ISP and of the external address become events, in whatever order the runs are stored."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from example_runs import START, make_attempt, make_failed_attempt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.model import Attempt, NetworkPath, Status
from monitor.store import events
from monitor.store.connection import open_reader, open_writer
from monitor.store.tables import runs
from monitor.store.write import add_attempt

if TYPE_CHECKING:
    from pathlib import Path as File

COMMAND = [sys.executable, "-W", "error", "-c", "from monitor.cli.main import main; main()"]

ALL = (START - timedelta(days=1), START + timedelta(days=1))

SINCE_START = (datetime.now(UTC) - START) / timedelta(minutes=1)

STORY = ("A", "A", "B", "B", "A", "C")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a database that the tests of this file share; each empties it."""
    return f"sqlite:///{tmp_path_factory.mktemp('changes')}/speedmon.db"


def store(url: str, *attempts: Attempt) -> list[tuple[float, str, str | None, str | None]]:
    """Store attempts in an empty database; return minute, kind, before and after of each event."""
    with open_writer(url) as connection:
        connection.execute(runs.delete())
        for one in attempts:
            add_attempt(connection, one)
    with open_reader(url) as connection:
        return [
            ((event.at - START) / timedelta(minutes=1), event.kind, event.before, event.after)
            for event in events.read_events(connection, *ALL)
        ]


def test_a_change_is_an_event(url: str):
    """The first run with another ISP and address is an event of each kind; the first run of all is none."""
    stored = store(url, make_attempt(0), make_attempt(5), make_attempt(10, isp="Other", external_ip="198.51.100.9"))
    assert stored == [
        (10, "isp", "Verizon Fios", "Other"),
        (10, "external_ip", "198.51.100.7", "198.51.100.9"),
    ]


@pytest.mark.parametrize(
    "other",
    [
        {"engine": "speedtest-cli", "external_ip": None},
        {"path": NetworkPath.HOST, "external_ip": None},
        {"probe": "cabin", "external_ip": None},
        {"healthy": False},
        {"status": Status.INTERRUPTED},
    ],
)
def test_values_that_cannot_be_compared_make_no_event(url: str, other: dict[str, object]):
    """Another engine, path or probe has its own story; a doubtful run or one without a result changes nothing."""
    assert store(url, make_attempt(0), make_attempt(5, **({"isp": "Other", "external_ip": "192.0.2.1"} | other))) == []


def test_failures_between_do_not_matter(url: str):
    """A run without an ISP is ignored."""
    assert store(url, make_attempt(0), make_failed_attempt(5), make_attempt(10, external_ip=None)) == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(range(len(STORY))))
def test_the_order_of_storing_does_not_matter(url: str, order: list[int]):
    """Runs that wait in a spool are stored late; the events are those of the times they ran at."""
    stored = store(url, *(make_attempt(at, isp=STORY[at], external_ip=None) for at in order))
    assert stored == [(2, "isp", "A", "B"), (4, "isp", "B", "A"), (5, "isp", "A", "C")]


def test_the_command_lists_them(url: str, tmp_path: File):
    """People get a line a change, newest first; programs an array."""
    store(url, make_attempt(SINCE_START - 60), make_attempt(SINCE_START - 30, isp="Other"))
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "SPEEDMON_DATABASE_URL": url}
    lines, array = (
        subprocess.run([*COMMAND, "events", *argv], env=environ, capture_output=True, check=True, timeout=60).stdout
        for argv in ((), ("--json",))
    )
    assert lines.endswith(b"ip4only  ISP is Other, was Verizon Fios\n")
    (event,) = json.loads(array)
    assert (event["kind"], event["before"], event["after"]) == ("isp", "Verizon Fios", "Other")
