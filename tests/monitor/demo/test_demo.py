"""The demo: how its scenario is judged and shown, and one complete demo as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.demo import run, scenario
from monitor.model import Failure, FailureKind, NetworkPath, Run, Scope, Status, Trigger
from monitor.output.units import NO_VALUE
from netns.lab import topology

SPEEDMON = [sys.executable, "-P", "-m", "monitor"]

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

HOST = Run(
    id="1",
    probe="demo",
    started_at=NOON,
    finished_at=NOON.replace(minute=1),
    status=Status.OK,
    trigger=Trigger.CLI,
    path=NetworkPath.HOST,
    engine="speedtest-cli",
    download_bps=11_200_000,
    upload_bps=3_200_000,
    isp=topology.TUNNEL.isp,
    external_ip=topology.HOME_IPV6,
    ip_family=6,
)

LINE = replace(
    HOST,
    path=NetworkPath.IP4ONLY,
    download_bps=95_000_000,
    upload_bps=19_200_000,
    isp=topology.FIBRE.isp,
    external_ip=topology.HOME_IPV4,
    ip_family=4,
)

FAILURE = Failure(FailureKind.UNREACHABLE, Scope.LINE, "configuration", "Network is unreachable")

OUTAGE = replace(
    LINE,
    status=Status.FAILED,
    failure=FAILURE,
    download_bps=None,
    upload_bps=None,
    isp=None,
    external_ip=None,
    ip_family=None,
)

STORY = scenario.DemoResult(HOST, "ping: connect: Network is unreachable", (LINE, LINE), OUTAGE)


def test_a_scenario_that_went_as_expected_has_no_differences():
    """The tunnel over host, the line over ip4only, no IPv6 inside, and an outage of the line."""
    assert scenario.find_differences(STORY) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"host": replace(HOST, ip_family=4, isp=topology.FIBRE.isp)}, "went over IPv4 of Example Fibre"),
        ({"host": replace(HOST, download_bps=60_000_000)}, "not slow: 60.0/3.20 Mbit/s"),
        ({"host": OUTAGE}, "over host ended failed: unreachable"),
        ({"ping": "1 packets transmitted, 1 received"}, "ping -6 in the namespace said: 1 packets"),
        ({"line": (replace(LINE, download_bps=84_900_000),)}, "last download was 84.9 of 100 Mbit/s"),
        ({"line": (replace(LINE, upload_bps=23_100_000),) * 2}, "last upload was 23.1 of 20.0 Mbit/s"),
        ({"line": (replace(LINE, upload_bps=None),)}, f"upload was {NO_VALUE} of 20.0 Mbit/s"),
        ({"line": (replace(LINE, external_ip="192.0.2.1"),)}, "over IPv4 192.0.2.1 of Example Fibre"),
        ({"line": (OUTAGE,)}, "over ip4only ended failed"),
        ({"outage": LINE}, "cut line ended IPv4"),
        ({"outage": replace(OUTAGE, failure=replace(FAILURE, scope=Scope.CONFIG))}, "not as a failure of the line"),
    ],
)
def test_each_difference_is_a_line(change: dict, words: str):
    """One thing that did not go as expected makes one line that names it."""
    (line,) = scenario.find_differences(replace(STORY, **change))
    assert words in line


@pytest.mark.parametrize("bps", [85_100_000, 114_900_000])
def test_fifteen_percent_are_allowed(bps: int):
    """Headers cost 5 %, and a busy machine a little more."""
    assert scenario.find_differences(replace(STORY, line=(replace(LINE, download_bps=bps),))) == []


def test_a_slow_run_beside_a_good_one_is_accepted():
    """A machine may be busy for a moment; both runs are shown."""
    assert scenario.find_differences(replace(STORY, line=(replace(LINE, download_bps=60_000_000), LINE))) == []


def test_the_opening_names_the_shaped_rates():
    """A reader knows what should be measured before it is."""
    assert "Example Fibre, shaped to 100/20 Mbit/s" in scenario.describe_lab()
    assert "shaped to 12/3 Mbit/s" in scenario.describe_lab()


def test_the_summary_of_a_run_has_its_family_and_isp():
    """They show which path was measured."""
    assert scenario.run_summary(LINE) == "IPv4 203.0.113.10, Example Fibre: 95.0/19.2 Mbit/s"
    assert scenario.line_share_text(LINE) == "95% of the line's download, 96% of its upload"


def test_the_table_shows_a_failure_and_no_zero():
    """A run without rates has dashes, and its kind and scope."""
    assert list(scenario.result_table(STORY))[-1].split() == ["ip4only", *[NO_VALUE] * 4, "unreachable", "(line)"]


def test_nothing_of_the_callers_settings_reaches_the_lab():
    """A configured database, uplink or lock file of the real installation is left alone."""
    caller = {"SPEEDMON_DATABASE_URL": "sqlite:////real.db", "http_proxy": "http://x", "PATH": "/bin", "LANG": "C"}
    env = run.demo_environment(caller)
    assert not {"SPEEDMON_DATABASE_URL", "http_proxy"} & env.keys()
    assert all(env[name].startswith("/run/") for name in ("STATE_DIRECTORY", "CACHE_DIRECTORY", "XDG_CONFIG_HOME"))


def test_json_has_the_same_results():
    """One object: the differences, the shaped rates, every run in the shape of `history --json`."""
    document = json.loads(run.to_json(STORY, ["a difference"], run.DemoOptions(Path("/x.png"))))
    assert (document["came_true"], document["differences"], document["picture"]) == (False, ["a difference"], "/x.png")
    assert document["shaped"]["line"] == {"isp": "Example Fibre", "download_bps": 100_000_000, "upload_bps": 20_000_000}
    assert [run["path"] for run in document["runs"]] == ["host", "ip4only", "ip4only", "ip4only"]


def refused(*arguments: str) -> tuple[int, str]:
    """Return exit code and stderr of a demo that does not start."""
    done = subprocess.run([*SPEEDMON, "demo", *arguments], capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stderr


def test_a_folder_that_the_lab_hides_is_refused():
    """A file in a private folder would be lost when the lab closes."""
    code, line = refused("--output", "/run/demo.png")
    assert code == 2
    assert "/run/demo.png" in line


def test_a_missing_folder_is_refused_before_the_lab_opens(tmp_path: Path):
    """Nobody waits for a graph that cannot be written."""
    assert refused("--output", str(tmp_path / "none" / "demo.png"))[0] == 1


def test_a_database_that_exists_is_not_touched(tmp_path: Path):
    """The runs of the demo never mix with real ones."""
    (tmp_path / "runs.db").write_text("mine")
    code, line = refused("--keep-database", str(tmp_path / "runs.db"), "--output", str(tmp_path / "demo.png"))
    assert (code, "exists" in line) == (2, True)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run the complete demo once, beside settings that would disturb it, and return its folder and output."""
    folder = tmp_path_factory.mktemp("demo")
    command = [*SPEEDMON, "demo", "--output", "demo.png", "--keep-database", "runs.db"]
    env = os.environ | {"SPEEDMON_DATABASE_URL": "sqlite:////none/at/all.db", "SPEEDMON_NAMESPACE__NAME": "other"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return folder, done.stdout


def test_the_demo_goes_as_expected(demo: tuple[Path, str]):
    """The tunnel, no IPv6 inside, the line, the outage, in this order, and the files of graph and database."""
    folder, text = demo
    marks = [
        "\n1. ",
        "IPv6 2001:",
        "\n2. ",
        "unreachable inside",
        "\n3. ",
        "IPv4 203.",
        "\n4. ",
        "(line): ",
        "Picture",
    ]
    places = [text.find(mark) for mark in marks]
    assert places == sorted(places)
    assert -1 not in places
    assert f"Picture: {folder / 'demo.png'}" in text


def test_its_graph_is_a_png(demo: tuple[Path, str]):
    """It is where it was asked for."""
    assert (demo[0] / "demo.png").read_bytes().startswith(b"\x89PNG\r\n")


def test_its_runs_are_stored(demo: tuple[Path, str]):
    """The database that was asked for holds all four, the failure among them, and `history` reads it."""
    env = os.environ | {"SPEEDMON_DATABASE_URL": f"sqlite:///{demo[0] / 'runs.db'}"}
    printed = subprocess.run([*SPEEDMON, "history", "--json"], env=env, capture_output=True, check=True).stdout
    assert [run["status"] for run in json.loads(printed)] == ["failed", "ok", "ok", "ok"]


def test_it_leaves_only_what_was_asked_for(demo: tuple[Path, str]):
    """No file but graph and database, and no namespace or link of the lab on the machine."""
    assert sorted(path.name for path in demo[0].iterdir()) == ["demo.png", "runs.db"]
    assert not [
        name for name in (topology.ISP, topology.BROKER, topology.INTERNET) if Path("/run/netns", name).exists()
    ]
    assert not {"wan0", "he-ipv6"} & {path.name for path in Path("/sys/class/net").iterdir()}


def test_an_interrupt_ends_everything(tmp_path: Path):
    """Ctrl-C in the middle of a run: one line, exit code 130, no process left that holds the output, no graph."""
    command = [*SPEEDMON, "demo", "--output", str(tmp_path / "demo.png")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        assert running.stdout is not None
        while "collect" not in running.stdout.readline():
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        assert running.stdout.read().strip() == "speedmon: interrupted"
    assert (running.returncode, list(tmp_path.iterdir())) == (130, [])
