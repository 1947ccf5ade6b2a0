"""What is remembered of the line: who has answered on it, and over which uplink."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from example_runs import make_attempt, make_failed_attempt

from monitor.collect import line_memory
from monitor.collect.counters import TrafficAccount
from monitor.collect.judge import summarize_traffic
from monitor.collect.state import CollectState, LineMemory, load_state, save_state
from monitor.model import Trace
from netns.probe.findings import Findings, ProbeAnswer, StoredVerdict, TrafficSummary

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
ip4only-root\t00000000\t01C8A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
"""

FOUND = Findings(
    hosts=(
        ProbeAnswer("1.1.1.1:443", tls="valid"),
        ProbeAnswer("9.9.9.9:443", "ETIMEDOUT"),
        ProbeAnswer("www.google.com:443", tls="foreign"),
        ProbeAnswer("192.0.2.1:7"),
    ),
    verdict=StoredVerdict("provider", "all works", "words"),
)


def test_witnesses_that_answered_are_remembered():
    """With when they last did; who was silent or showed a foreign certificate is not one of them."""
    run = make_failed_attempt().run
    memory = line_memory.update(LineMemory({"192.0.2.1:7": 1}), run, FOUND, "ip4only-root")
    at = int(run.finished_at.timestamp())
    assert memory.witnesses == {"1.1.1.1:443": at, "192.0.2.1:7": at}


def test_nobody_behind_a_login_page_is_remembered():
    """Who answers there is the portal."""
    portal = replace(FOUND, verdict=StoredVerdict("line", "captive portal", "words"))
    assert line_memory.update(LineMemory(), make_failed_attempt().run, portal, "ip4only-root") == LineMemory()


def test_uplink_of_a_test_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The link and the router of the host's default route, not the namespace's own link."""
    (tmp_path / "route").write_text(ROUTES)
    monkeypatch.setattr(line_memory, "ROUTES_FILE", tmp_path / "route")
    memory = line_memory.update(LineMemory(), make_attempt().run, None, "ip4only-root")
    assert (memory.uplink, memory.router) == ("eth0", "192.168.1.1")


def test_memory_survives_in_the_state_file(tmp_path: Path):
    """The next test knows it; a file of an older release has none."""
    state = CollectState(line=LineMemory({"1.1.1.1:443": 5}, "eth0", "192.168.1.1"))
    save_state(tmp_path / "memory.json", state)
    assert load_state(tmp_path / "memory.json") == state
    (tmp_path / "old.json").write_text('{"rests":{},"last_server":"7"}')
    assert load_state(tmp_path / "old.json").line == LineMemory()


def test_traffic_of_a_test_is_summed_up():
    """Bytes, and how long nothing came, at the longest and at the end; on a shared uplink, of all."""
    samples = ((500, 1, 9, 9), (0, 1, 9, 9), (0, 1, 9, 9), (0, 1, 9, 9), (700, 1, 9, 9), (0, 1, 0, 9))
    trace = Trace(250, samples)
    assert summarize_traffic(TrafficAccount(trace, 1200, 6)) == TrafficSummary(1200, 6, 1.5, 0.75, 0.25)
    assert summarize_traffic(TrafficAccount(trace)) == TrafficSummary(45, 54, 1.5, 0.25, 0.25)
    assert summarize_traffic(TrafficAccount()) is None
