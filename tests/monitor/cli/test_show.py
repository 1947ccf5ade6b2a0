"""`speedmon show`: one run with everything, and the picture of its trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from example_runs import make_attempt, make_failed_attempt

from monitor.model import Attempt, Plan, RawOutput, Remark, Server, Trace
from monitor.output import run_details
from monitor.store.connection import open_writer
from monitor.store.write import add_attempt
from netns.probe.findings import Findings, ProbeAnswer

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = [sys.executable, "-W", "error", "-c", "from monitor.cli.main import main; main()"]

TRACE = Trace(250, tuple((2_900_000, 30_000, 3_500_000, 30_000) for _ in range(40)))

PNG = b"\x89PNG\r\n\x1a\n"


def shown(one: Attempt) -> list[str]:
    """Return the lines for people."""
    return [*run_details.run_lines(one, ZoneInfo("UTC"), 200)]


def test_everything_known_of_a_measured_run_is_shown():
    """Each thing that is known has a line; what is not known has none."""
    one = replace(make_attempt(id="ab", cross_rx_bps=4_800_000, cross_tx_bps=0, healthy=False), trace=TRACE)
    assert shown(one) == [
        "run         ab",
        "probe       home",
        "started     2026-11-23 13:17:03 UTC",
        "took        21 s",
        "status      ok, doubtful (trigger: cli)",
        "path        ip4only",
        "engine      ookla 1.2.0.84",
        "download    95.7 Mbit/s",
        "upload      17.3 Mbit/s",
        "latency     4.2 ms, jitter 0.4 ms",
        "ISP         Verizon Fios",
        "address     198.51.100.7 (IPv4)",
        "server      DediPath (Secaucus, NJ, United States) id 22774",
        "others      4.80 Mbit/s down, 0.00 Mbit/s up on the uplink at the same time",
        "trace       the kernel counted 116.0 MB received, 1.2 MB sent in 10 s (--trace FILE.png draws it)",
        "plan        100 Mbit/s down, 20 ms",
        "the engine's stdout:",
        "  {}",
        "the engine's stderr:",
        "  [e]",
    ]


def test_a_failed_run_is_shown_with_its_diagnosis():
    """Failure, findings and the engine's words; terminals are safe from what a network sends."""
    one = replace(
        make_failed_attempt(),
        plan=Plan(),
        raw=RawOutput("", "\x1b[2J\nno such host\n"),
        findings=Findings(servers=(ProbeAnswer("192.0.2.53", "ETIMEDOUT"),)),
    )
    *_, failure, probe, title, first, second = shown(one)
    assert failure.strip() == "dns (line, at configuration): Could not resolve host (exit code 2)"
    assert "DNS 192.0.2.53 ETIMEDOUT" in probe
    assert (title, first, second) == ("the engine's stderr:", "  [2J", "  no such host")


def test_everything_an_engine_can_report_is_shown():
    """Sizes, times, loaded latency, loss and all of the server."""
    numbers = {"download_bytes": 10**8, "download_ms": 8000, "download_latency_ms": 20.0, "packet_loss_pct": 1.5}
    server = Server("1", "Near", None, None, "near.example:8080", "192.0.2.1")
    lines = shown(make_attempt(**numbers, server=server, remarks=(Remark("server_fallback", "other server"),)))
    assert "download    95.7 Mbit/s, 100.0 MB, in 8.0 s, latency under load 20.0 ms" in lines
    assert "latency     4.2 ms, jitter 0.4 ms, loss 1.5 %" in lines
    assert "server      Near near.example:8080 192.0.2.1 id 1" in lines
    assert "            server_fallback: other server" in lines


FIRST, LAST = (f"{letter * 8}-0000-4000-8000-000000000000" for letter in "ab")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return an environment with a database of one run with a trace, and a later one without."""
    url = f"sqlite:///{tmp_path}/speedmon.db"
    with open_writer(url) as connection:
        add_attempt(connection, replace(make_attempt(0, id=FIRST), trace=TRACE))
        add_attempt(connection, make_attempt(5, id=LAST))
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "SPEEDMON_DATABASE_URL": url}


def show(environ: dict[str, str], *argv: str) -> subprocess.CompletedProcess[bytes]:
    """Run `speedmon show`."""
    return subprocess.run([*COMMAND, "show", *argv], env=environ, capture_output=True, check=False, timeout=60)


def test_the_last_run_is_shown(environ: dict[str, str]):
    """`last` is the newest one; any other word is the beginning of an id."""
    assert show(environ, "latest").stdout == show(environ, "last").stdout
    assert show(environ, "last").stdout.splitlines()[0].split() == [b"run", LAST.encode()]
    assert show(environ, "aa").stdout.splitlines()[0].split() == [b"run", FIRST.encode()]


def test_json_has_all_of_it(environ: dict[str, str]):
    """Programs get run, plan, output, findings and trace as one object."""
    document = json.loads(show(environ, "aaaa", "--json").stdout)
    assert [*document] == ["run", "plan", "raw", "findings", "trace"]
    assert document["trace"]["samples"][0] == [2_900_000, 30_000, 3_500_000, 30_000]


def test_the_trace_is_drawn(environ: dict[str, str], tmp_path: Path):
    """A PNG is written, and its name printed."""
    done = show(environ, "aaaa", "--trace", str(tmp_path / "trace.png"))
    assert (done.stderr, done.stdout.decode()) == (b"", f"{tmp_path}/trace.png\n")
    assert (tmp_path / "trace.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["c"], "no run's id begins with 'c'"),
        (["bbbb", "--trace", "x.png"], f"run {LAST} has no trace"),
        (["aaaa", "--trace", "/proc/x.png"], "/proc/x.png: cannot be written"),
    ],
)
def test_what_cannot_be_shown_is_one_line(environ: dict[str, str], argv: list[str], words: str):
    """An id that is none, a run without a trace, a place that cannot be written."""
    done = show(environ, *argv)
    assert done.returncode in {1, 2}
    assert done.stderr.decode().startswith(f"speedmon: {words}")
    assert done.stderr.count(b"\n") == 1
