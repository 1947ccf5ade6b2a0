"""The command line before a fleet: reading one probe, several or all, and forwarding by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from example_runs import START, make_attempt
from fleet import push_batches, store_attempts

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.config.settings import Settings


@pytest.fixture
def two(probe: Settings) -> dict[str, str]:
    """Return the environment of somebody who reads, beside a fleet with a run of each of two probes an hour ago."""
    hour_ago = (datetime.now(UTC) - START) / timedelta(minutes=1) - 60
    store_attempts(
        probe,
        make_attempt(hour_ago),
        make_attempt(hour_ago, probe="cabin", isp="Other"),
        make_attempt(hour_ago + 1, isp="New"),
    )
    push_batches(probe)
    return {"PATH": os.environ["PATH"], "HOME": os.path.dirname(probe.database.url.removeprefix("sqlite:///"))}  # noqa: PTH120  a text for the environment


def called(environ: dict[str, str], *argv: str) -> subprocess.CompletedProcess[str]:
    """Run speedmon."""
    command = [sys.executable, "-W", "error", "-c", "from monitor.cli.main import main; main()", *argv]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("chosen", "count"),
    [((), 3), (("home",), 2), (("cabin",), 1), (("home", "cabin"), 3), (("cabin", "all"), 3)],
)
def test_history_of_one_probe_of_several_or_of_all(
    probe: Settings, two: dict[str, str], chosen: tuple[str, ...], count: int
):
    """--database-url reads the fleet, --probe chooses."""
    options = [word for name in chosen for word in ("--probe", name)]
    done = called(two, "history", "--json", "--database-url", probe.fleet.database_url, *options)
    assert (done.stdout.count('"id":"22774"'), done.stderr) == (count, "")


def test_the_table_has_a_column_of_probes(probe: Settings, two: dict[str, str]):
    """Where there are several each line says whose it is; where one was chosen none does."""
    fleet = ("--database-url", probe.fleet.database_url)
    assert "Probe" in called(two, "history", *fleet).stdout
    assert "Probe" not in called(two, "history", *fleet, "--probe", "cabin").stdout
    assert "ISP is New" in called(two, "events", *fleet, "--probe", "home").stdout
    assert "Nothing changed" in called(two, "events", *fleet, "--probe", "cabin").stdout


def test_a_probe_that_nobody_knows(probe: Settings, two: dict[str, str]):
    """The line says which there are."""
    for command in ("history", "incidents", "events", "graph", "export"):
        done = called(two, command, "--database-url", probe.fleet.database_url, "--probe", "hom")
        assert (done.returncode, done.stderr) == (
            2,
            "speedmon: there is no probe 'hom' in this database: its probes are cabin, home\n",
        )


def test_the_commands_by_hand(probe: Settings, tmp_path: Path):
    """`status` shows what is waiting, `push` forwards it."""
    store_attempts(probe, make_attempt())
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "SPEEDMON_DATABASE_URL": probe.database.url,
        "SPEEDMON_FLEET__DATABASE_URL": probe.fleet.database_url,
    }
    assert (
        "waiting       1 runs, the oldest started at 2026-11-23T13:17:03Z" in called(environ, "fleet", "status").stdout
    )
    assert called(environ, "fleet", "push").stdout == "forwarded 1 runs; 0 waiting\n"
    assert '"waiting": 0' in called(environ, "fleet", "status", "--json").stdout
