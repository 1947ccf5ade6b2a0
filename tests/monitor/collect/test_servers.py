"""Which server a test uses, what an engine offers, and the results of each server."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from example_runs import MEASURED, make_attempt, make_failed_attempt, run_id
from places import SUPPORT
from recordings import read_recording

from monitor.collect import servers
from monitor.collect.outcome import TestRequest
from monitor.collect.servers import ServerChoice
from monitor.config.settings import DatabaseSettings, ProbeSettings, Settings
from monitor.engines import ookla, speedtest_cli
from monitor.engines.registry import load_engine
from monitor.model import NetworkPath, Server, Status, Trigger
from monitor.store.connection import open_writer
from monitor.store.statistics import server_stats
from monitor.store.write import add_attempt

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

STAND_IN = SUPPORT / "ookla_stand_in.py"

LISTED = read_recording("ookla/v1.2_servers_L_f_json.json")

ORDER = TestRequest("ookla", NetworkPath.HOST, "", Trigger.CLI)

# As `speedtest-cli --list` prints it: '%(id)5s) %(sponsor)s (%(name)s, %(country)s) [%(d)0.2f km]' of its source.
PRINTED = b"""Retrieving speedtest.net configuration...
 1234) Ann's Net (North) (Bonn, Germany) [3.10 km]
99999) Bob (Brussels, Brussels Region, Belgium) [190.00 km]
"""


def offers(*ids: str) -> Sequence[Server]:
    """Return servers with these ids."""
    return [Server(entry) for entry in ids]


@pytest.mark.parametrize(
    ("engine", "wanted", "deny", "choice"),
    [
        ("ookla", ORDER, [], ServerChoice()),
        ("ookla", replace(ORDER, server_id="2"), ["2"], ServerChoice("2")),
        ("ookla", ORDER, ["1"], ServerChoice("2")),
        ("ookla", replace(ORDER, avoid=("2",)), ["1"], ServerChoice("3")),
        ("ookla", ORDER, ["1", "2", "3"], ServerChoice()),
        ("speedtest-cli", replace(ORDER, avoid=("2",)), ["1"], ServerChoice("", ("--exclude", "1", "--exclude", "2"))),
    ],
)
def test_aim(engine: str, wanted: TestRequest, deny: list[str], choice: ServerChoice):
    """A named server is kept; what is to be avoided is excluded, or the first other one of the list is named."""
    assert servers.choose_server(load_engine(engine), wanted, deny, lambda: offers("1", "2", "3")) == choice


def test_no_list_is_asked_for_without_need():
    """A plain test costs no second contact with the provider."""
    calls: list[str] = []
    servers.choose_server(load_engine("ookla"), ORDER, [], lambda: calls.append("list") or ())
    assert calls == []


def test_ookla_s_list():
    """The list of Ookla's CLI gives id, name, place and host."""
    first = ookla.parse_servers(LISTED, b"")[0]
    assert first == Server("45909", "Ogi", "Cardiff", "United Kingdom", "speedtest.ogi.wales")


def test_speedtest_cli_s_list():
    """The list of speedtest-cli is lines, with brackets and commas in names too."""
    assert speedtest_cli.parse_servers(PRINTED, b"") == (
        Server("1234", "Ann's Net (North)", "Bonn", "Germany"),
        Server("99999", "Bob", "Brussels, Brussels Region", "Belgium"),
    )


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return the environment of an installation with Ookla's stand-in and a store of its own."""
    shutil.copy(STAND_IN, tmp_path / "speedtest")
    (tmp_path / "script.json").write_text(json.dumps({"servers": LISTED.decode()}))
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "STATE_DIRECTORY": str(tmp_path),
        "SPEEDMON_PROBE__NAME": "home",
        "SPEEDMON_COLLECT__PATH": "host",
        "SPEEDMON_OOKLA__BINARY": str(tmp_path / "speedtest"),
        "SPEEDMON_OOKLA__ACCEPT_LICENSE": "true",
    }


def listed(environ: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    """Run `speedmon servers`; return its exit code and what it printed."""
    command = [sys.executable, "-m", "monitor", "servers", *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_the_command_lists_what_the_engine_offers(environ: dict[str, str]):
    """A line a server for people, an array of the servers of the contract for programs."""
    code, out, err = listed(environ)
    assert (code, err, out.splitlines()[1]) == (0, "", f"  45909  {'Ogi':30}  Cardiff, United Kingdom")
    first = json.loads(listed(environ, "--json")[1])[0]
    assert (first["id"], first["host"]) == ("45909", "speedtest.ogi.wales")


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"SPEEDMON_OOKLA__BINARY": "/nowhere"}, 2, "/nowhere does not exist"),
        ({"SPEEDMON_OOKLA__ACCEPT_LICENSE": "false"}, 2, "licence is not accepted"),
        ({"SPEEDMON_COLLECT__PATH": "ip4only", "SPEEDMON_NAMESPACE__NAME": "nosuchns"}, 5, "setup-netns"),
        ({"SPEEDMON_COLLECT__ENGINE": "cat"}, 2, "unknown engine 'cat'"),
    ],
)
def test_why_there_is_no_list(environ: dict[str, str], change: dict[str, str], code: int, words: str):
    """What is in the way is one line with the exit code of its kind, and nothing is measured or stored."""
    exit_code, out, err = listed(environ | change)
    assert (exit_code, out, err.count("\n")) == (code, "", 1)
    assert words in err


def test_a_list_that_cannot_be_had(environ: dict[str, str], tmp_path: Path):
    """An engine that gives none is quoted."""
    (tmp_path / "script.json").write_text(json.dumps({"servers": "[error] Too many requests\n"}))
    words = "speedmon: engine ookla returned no list of servers: Too many requests\n"
    assert listed(environ) == (1, "", words)


@pytest.fixture
def stored(environ: dict[str, str], tmp_path: Path) -> Settings:
    """Return the settings of a store with tests against two servers, by two probes."""
    url = f"sqlite:///{tmp_path}/speedmon.db"
    now = datetime.now(UTC).replace(microsecond=0)
    far, gone = Server("7", "Far", "Oslo", "Norway"), Server("7")
    rows = [
        make_attempt(started_at=now - timedelta(hours=1), download_bps=90, upload_bps=9, latency_ms=5.0),
        make_attempt(started_at=now - timedelta(hours=2), download_bps=70, upload_bps=7, latency_ms=6.0),
        make_attempt(started_at=now - timedelta(hours=3), download_bps=10_000_000, server=far),
        make_attempt(started_at=now - timedelta(hours=3), probe="other"),
        make_attempt(started_at=now - timedelta(days=40)),
    ]
    with open_writer(url) as connection:
        for row in rows:
            add_attempt(connection, row)
        lost = replace(make_failed_attempt().run, id=run_id("lost"), started_at=now, finished_at=now, server=gone)
        add_attempt(connection, replace(make_failed_attempt(), run=lost))
        add_attempt(connection, replace(make_failed_attempt(), run=replace(lost, id=run_id("nowhere"), server=None)))
        add_attempt(
            connection, replace(make_failed_attempt(), run=replace(lost, id=run_id("skipped"), status=Status.SKIPPED))
        )
    return Settings(probe=ProbeSettings("home"), database=DatabaseSettings(url))


def test_how_each_server_has_done(stored: Settings):
    """Tests, failures and medians per server, of this probe and these days; failures where their server is known."""
    stats = server_stats(stored, datetime.now(UTC) - timedelta(days=30))
    summary = [
        (entry.id, entry.name, entry.runs, entry.failures, entry.download_bps, entry.latency_ms) for entry in stats
    ]
    assert MEASURED.server is not None
    assert sorted(summary) == [("22774", "DediPath", 2, 0, 80, 5.5), ("7", "Far", 2, 1, 10_000_000, 4.2)]


def test_the_table_of_servers(stored: Settings, environ: dict[str, str]):
    """`servers --stats` asks no engine and no network."""
    code, out, err = listed(environ | {"SPEEDMON_OOKLA__BINARY": "/nowhere"}, "--stats")
    assert (code, err) == (0, "")
    assert f"     2       1     10.00     17.34      4.2        7  {'Far':30}  Oslo, Norway" in out.splitlines()
    assert {entry["id"] for entry in json.loads(listed(environ, "--stats", "--json")[1])} == {"7", "22774"}


def test_a_store_without_servers(environ: dict[str, str]):
    """Nothing to tell is said in words."""
    assert listed(environ, "--stats") == (0, "No test of the last 30 days names a server.\n", "")
