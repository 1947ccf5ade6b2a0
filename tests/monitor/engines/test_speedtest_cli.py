"""The Python speedtest-cli: what its recordings mean in our units, and what garbage becomes."""

from __future__ import annotations

import json
import math
import sys
from importlib import metadata
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recordings import read_recording

from monitor.config.settings import OoklaSettings, Settings, SpeedtestCliSettings
from monitor.engines import ookla, registry, speedtest_cli
from monitor.errors import UsageError
from monitor.model import FailureKind, Measurement, Server
from monitor.system import process

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.system.process import ProcessResult

SPECTRUM = read_recording("speedtest-cli/success_2.1.2_json_2020-01-19_spectrum.json")

TELKOM = read_recording("speedtest-cli/success_2.1.3_json_2023-06-19_telkom.json")


def ask(_argv: list[str]) -> ProcessResult:
    """Fail any question: this engine asks none."""
    raise AssertionError


def altered(**changes: object) -> bytes:
    """Return a result with top-level fields replaced."""
    return json.dumps(json.loads(SPECTRUM) | changes).encode()


def test_result_in_our_units() -> None:
    """Rates stay bit/s, the sponsor is the server's name and the place its location."""
    assert speedtest_cli.parse(SPECTRUM, b"").measurement == Measurement(
        download_bps=62739980,
        upload_bps=11754874,
        latency_ms=15.015,
        download_bytes=79240756,
        upload_bytes=14999552,
        isp="Spectrum",
        external_ip="203.0.113.7",
        ip_family=4,
        server=Server("5029", "AT&T", "New York, NY", "United States", "nyc.speedtest.sbcglobal.net:8080"),
    )


def test_other_recording_is_measured() -> None:
    """The result of 2.1.3 gives both rates."""
    measured = speedtest_cli.parse(TELKOM, b"").measurement
    assert measured is not None
    assert (measured.download_bps, measured.upload_bps) == (20362205, 6426336)


@pytest.mark.parametrize("direction", ["download", "upload"])
def test_zero_is_a_failure(direction: str) -> None:
    """A rate of 0.0, printed when every transfer failed, is not a measurement."""
    parsed = speedtest_cli.parse(altered(**{direction: 0.0}), b"")
    assert parsed.measurement is None
    assert parsed.complaints == (f"result without a {direction} rate",)


@pytest.mark.parametrize("rate", [-5.0, math.nan, math.inf, "1000", True, 1e14, [1]])
def test_impossible_rate_is_no_result(rate: object) -> None:
    """An impossible rate makes the result unusable and is a complaint."""
    parsed = speedtest_cli.parse(altered(download=rate), b"")
    assert parsed.measurement is None
    assert "impossible download rate" in parsed.complaints[0]


def test_lost_pings_are_not_a_latency() -> None:
    """An average over lost pings, each counted as an hour, is left out."""
    measured = speedtest_cli.parse(altered(ping=1800000.0), b"").measurement
    assert measured is not None
    assert measured.latency_ms is None


@pytest.mark.parametrize("output", [b"{}", b"[]", b"null", b"<html>"])
def test_other_output_is_noise(output: bytes) -> None:
    """JSON that is not a result, and other text, is kept as noise."""
    parsed = speedtest_cli.parse(output, b"")
    assert (parsed.measurement, bool(parsed.noise)) == (None, True)


@given(st.integers(0, len(SPECTRUM)), st.integers(0, len(SPECTRUM)), st.binary(max_size=20), st.binary(max_size=50))
def test_mutated_recordings_never_raise(start: int, end: int, junk: bytes, stderr: bytes) -> None:
    """However the recording is cut, doubled or spoilt, rates are None or possible."""
    measured = speedtest_cli.parse(SPECTRUM[:start] + junk + SPECTRUM[end:], stderr).measurement
    rates = (measured.download_bps, measured.upload_bps) if measured else ()
    assert all(rate is not None and 0 < rate < 10**13 for rate in rates)


def test_command_runs_the_package_isolated() -> None:
    """The package runs in our interpreter, isolated from the environment, with HTTPS and the server when asked for."""
    located = speedtest_cli.ENGINE.locate(Settings(), {}, ask)
    plain = [sys.executable, "-I", "-W", "ignore", "-m", "speedtest", "--json"]
    secure = Settings(speedtest_cli=SpeedtestCliSettings(secure=True))
    assert (
        speedtest_cli.ENGINE.command(located, Settings(speedtest_cli=SpeedtestCliSettings(secure=False)), "") == plain
    )
    assert speedtest_cli.ENGINE.command(located, secure, "42") == [*plain, "--secure", "--server", "42"]


def test_version_is_that_of_the_package() -> None:
    """The version is the installed package's."""
    located = speedtest_cli.ENGINE.locate(Settings(), {}, ask)
    assert speedtest_cli.ENGINE.version(located) == metadata.version("speedtest-cli")


def test_auto_is_this_one_without_ookla() -> None:
    """With no Ookla binary on PATH, auto is speedtest-cli, and no licence is asked for."""
    engine, located = registry.choose_engine("auto", Settings(), {"PATH": "/nonexistent"}, ask)
    assert (engine, located.failure) == (speedtest_cli.ENGINE, None)


def test_auto_passes_over_an_engine_whose_licence_is_not_accepted(tmp_path: Path) -> None:
    """The next one measures, and how to accept the licence is known; one that is named is not replaced."""
    (tmp_path / "speedtest").write_text("#!/bin/sh\necho 'Speedtest by Ookla 1.2.0.84 (stand-in) Linux/x86_64'\n")
    (tmp_path / "speedtest").chmod(0o755)
    environ = {"PATH": str(tmp_path)}

    def version(argv: list[str]) -> ProcessResult:
        return process.run(argv, env={"PATH": "/usr/bin:/bin"}, deadline_s=60)

    engine, located = registry.choose_engine("auto", Settings(), environ, version)
    assert (engine.name, located.failure) == ("speedtest-cli", None)
    assert located.passed_over is not None
    assert "ookla.accept_license" in located.passed_over.message
    accepted = Settings(ookla=OoklaSettings(accept_license=True))
    engine, located = registry.choose_engine("auto", accepted, environ, version)
    assert (engine.name, located.passed_over) == ("ookla", None)
    engine, located = registry.choose_engine("ookla", Settings(), environ, version)
    assert located.failure is not None


def test_auto_does_not_replace_a_configured_binary() -> None:
    """A configured Ookla binary that is missing is a failure, not a reason to measure with something else."""
    engine, located = registry.choose_engine(
        "auto", Settings(ookla=OoklaSettings(binary="/nonexistent/speedtest")), {}, ask
    )
    assert engine is ookla.ENGINE
    assert located.failure is not None
    assert located.failure.kind is FailureKind.NOT_INSTALLED


def test_unknown_engine_names_the_known() -> None:
    """An engine that nobody knows is refused with the names of those that are known."""
    with pytest.raises(
        UsageError, match=r"unknown engine 'iperf' \(known: auto, ookla, speedtest-cli, librespeed, iperf3\)"
    ):
        registry.load_engine("iperf")


def test_listed_servers() -> None:
    """Each line of `--list` is a server with its sponsor as name; a heading and a broken line are none."""
    listed = b"""Retrieving speedtest.net configuration...
 5029) AT&T (New York, NY, United States) [3.20 km]
  123) Example (GmbH) (Berlin, Germany) [12.00 km]
  124) cut of
"""
    assert speedtest_cli.parse_servers(listed, b"") == (
        Server("5029", "AT&T", "New York, NY", "United States"),
        Server("123", "Example (GmbH)", "Berlin", "Germany"),
    )


def test_command_that_lists_servers() -> None:
    """The list is asked of the same program, over HTTPS when the test is."""
    located = speedtest_cli.ENGINE.locate(Settings(), {}, ask)
    assert speedtest_cli.ENGINE.servers_command is not None
    listing = speedtest_cli.ENGINE.servers_command(located, Settings(speedtest_cli=SpeedtestCliSettings(secure=True)))
    assert listing == [*located.command, "--list", "--secure"]
