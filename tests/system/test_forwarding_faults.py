"""Forwarding that is cut off by a lost connection, kill -9 or a dead server loses and doubles nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
import pytest
from fleet import act_at_step, assert_same, example_attempts, push_batches, store_attempts
from places import SUPPORT

from monitor.errors import StoreUnreachableError
from monitor.store import forwarding
from monitor.store.connection import open_reader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from postgres_cluster import Cluster

    from monitor.config.settings import Settings


def cut_connections(url: str) -> None:
    """End every connection to a database from the server's side, and wait until they are gone."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def cut_at(probe: Settings, number: int, act: Callable[[], None]) -> list[str]:
    """Store some runs, forward them with a fault at a step, forward again, compare; return the steps there were."""
    store_attempts(probe, *example_attempts(number))
    # A connection that is lost between two transactions is not missed.
    with act_at_step(number, act) as steps, suppress(StoreUnreachableError):
        push_batches(probe, batches=1)
    push_batches(probe)
    assert_same(probe)
    return steps


# psycopg minds a cursor that nobody could close any more.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_connections_that_are_lost_at_any_step_lose_nothing(probe: Settings):
    """Whichever statement or commit the connection is lost before, the next push makes both sides the same."""
    number = 1
    while len(cut_at(probe, number, lambda: cut_connections(probe.fleet.database_url))) >= number:
        number += 1
    assert number > 10


KILLED = """
import os, signal, sys
from pathlib import Path
from fleet import act_at_step
from fleet import probe_settings
from fleet import push_batches
for number in range(int(sys.argv[3]), int(sys.argv[4])):
    child = os.fork()
    if not child:
        with act_at_step(number, lambda: os.kill(os.getpid(), signal.SIGKILL)):
            push_batches(probe_settings(Path(sys.argv[1]), sys.argv[2]), batches=1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    sys.stdin.readline()
"""


def test_a_forwarder_that_is_killed_at_any_step_loses_nothing(probe: Settings, tmp_path: Path):
    """After kill -9 before any statement or commit, that between commit and acknowledgement too, nothing is amiss."""
    arguments = [str(tmp_path / "home.db"), probe.fleet.database_url, "1", "999"]
    environ = os.environ | {"PYTHONPATH": str(SUPPORT)}
    store_attempts(probe, *example_attempts(0))
    killed = 0
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
    ) as forwarder:
        assert forwarder.stdout
        assert forwarder.stdin
        while int(forwarder.stdout.readline()) == -signal.SIGKILL:
            killed += 1
            push_batches(probe)
            assert_same(probe)
            store_attempts(probe, *example_attempts(killed))
            forwarder.stdin.write("\n")
            forwarder.stdin.flush()
        forwarder.kill()
    assert killed > 10
    assert_same(probe)


def test_a_server_that_stops_in_the_middle_loses_nothing(probe: Settings, cluster: Cluster):
    """The server is gone before the commit, without a word; the probe says so, and later forwards all."""
    store_attempts(probe, *example_attempts(0))
    try:
        with act_at_step(6, lambda: cluster.stop(signal.SIGQUIT)), pytest.raises(StoreUnreachableError):
            push_batches(probe)
        with pytest.raises(StoreUnreachableError, match="does not answer"):
            push_batches(probe)
    finally:
        cluster.start()
    with open_reader(probe.database.url) as connection:
        assert (forwarding.read_progress(connection).failures, forwarding.count_waiting(connection).runs) == (2, 3)
    push_batches(probe)
    assert_same(probe)
