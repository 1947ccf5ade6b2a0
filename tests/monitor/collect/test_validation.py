"""A result is compared with what its path should give; pure."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recordings import read_recording

from monitor.collect import judge
from monitor.collect.outcome import EngineRun
from monitor.collect.validation import ExpectedPath, expected_path, path_remarks
from monitor.config.settings import NamespaceSettings, PlanSettings, Settings
from monitor.engines import ookla, speedtest_cli
from monitor.engines.base import LocalEnd
from monitor.model import HARMLESS_DOUBTS, Doubt, Measurement, NetworkPath
from monitor.system.process import ProcessResult

LINE = Measurement(isp="Example Fibre GmbH", external_ip="203.0.113.10", ip_family=4)

TUNNEL = Measurement(isp="Tunnel Broker", external_ip="2001:db8::1", ip_family=6)

INSIDE = LocalEnd("ip4only-ns", "192.168.200.2")

STRICT = ExpectedPath(4, "ip4only-ns", "example fibre")


@pytest.mark.parametrize(
    ("measured", "local", "promised", "doubts"),
    [
        (LINE, INSIDE, STRICT, []),
        (TUNNEL, INSIDE, STRICT, [Doubt.WRONG_FAMILY, Doubt.WRONG_ISP]),
        (LINE, LocalEnd("eth0"), STRICT, [Doubt.WRONG_INTERFACE]),
        (replace(LINE, isp="Mobile Ltd"), INSIDE, STRICT, [Doubt.WRONG_ISP]),
        (LINE, LocalEnd("eth0"), ExpectedPath(4, proxy="pasta"), [Doubt.PROXY]),
        # What an engine does not report does not make a result doubtful.
        (Measurement(), None, STRICT, []),
        (LINE, LocalEnd(None, "192.168.200.2"), STRICT, []),
        (TUNNEL, LocalEnd("eth0"), ExpectedPath(), []),
    ],
)
def test_a_result_that_took_another_way_is_doubted(
    measured: Measurement, local: LocalEnd | None, promised: ExpectedPath, doubts: list[Doubt]
):
    """Family, interface and ISP are compared; each difference is a remark that makes the run unhealthy."""
    remarks = path_remarks(measured, local, promised)
    assert [remark.kind for remark in remarks] == doubts
    assert not HARMLESS_DOUBTS & {*doubts}


def test_what_the_paths_promise():
    """The namespace promises IPv4 and its own link, the host nothing; the plan's ISP counts on both."""
    settings = Settings(namespace=NamespaceSettings(name="wan2"), plan=PlanSettings(isp="Example"))
    assert expected_path(NetworkPath.IP4ONLY, settings) == ExpectedPath(4, "wan2-ns", "Example")
    assert expected_path(NetworkPath.HOST, settings) == ExpectedPath(isp="Example")


def test_pasta_promises_less():
    """Over pasta there is IPv4 and a proxy, on the namespace's path only."""
    settings = Settings(namespace=NamespaceSettings(way="pasta"))
    assert expected_path(NetworkPath.IP4ONLY, settings) == ExpectedPath(4, proxy="pasta")
    assert expected_path(NetworkPath.HOST, settings) == ExpectedPath()


@given(st.text(max_size=30), st.text(max_size=30))
def test_the_isp_is_a_part_of_the_name(isp: str, wanted: str):
    """Whatever the case, a name that has the wanted words in it fits, and another one does not."""
    fits = not isp or wanted.casefold() in isp.casefold()
    assert bool(path_remarks(replace(LINE, isp=isp), None, ExpectedPath(isp=wanted))) == (not fits)


def test_ookla_reports_its_interface():
    """The interface of a recording is not that of the namespace, and the outcome says so."""
    stream = read_recording("ookla/v1.2_jsonl_stream_synthetic_full_shape.jsonl")
    assert ookla.parse(stream, b"").local == LocalEnd("en0", "10.0.0.5")
    result = judge.judge_result(EngineRun(ookla.ENGINE, None, ProcessResult(0, stdout=stream), "ip4only", 60), STRICT)
    assert Doubt.WRONG_INTERFACE in {remark.kind for remark in result.remarks}


def test_a_failed_test_has_its_server():
    """The server is known before there is a result, and stored with the failure."""
    stream = read_recording("ookla/v1.2_jsonl_stream_synthetic_full_shape.jsonl").splitlines()[0]
    server = judge.judge_result(
        EngineRun(ookla.ENGINE, None, ProcessResult(1, stdout=stream), None, 60), STRICT
    ).measurement.server
    assert server is not None
    assert (server.id, server.ip) == ("1234", "203.0.113.11")
    output = b'{"download": 0, "upload": 0, "server": {"id": "101", "host": "near.example:8080"}}'
    assert speedtest_cli.parse(output, b"").server.host == "near.example:8080"
