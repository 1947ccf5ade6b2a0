"""LibreSpeed's CLI: what documents of its format mean in our units. They are made by its source, not recorded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recordings import DATA, read_failure, read_recording

from monitor.config.settings import LibrespeedSettings, Settings
from monitor.diagnosis.classify import classify
from monitor.engines import librespeed
from monitor.engines.base import EngineLocation
from monitor.engines.registry import load_engine
from monitor.model import FailureKind, Measurement, Scope, Server
from monitor.system import process

if TYPE_CHECKING:
    from pathlib import Path

REPORT = read_recording("librespeed/json_shape_from_source_72c2c59.json")

LOCATED = EngineLocation(("/opt/librespeed-cli",))

# Prints what it would print; it is ours and measures nothing.
STAND_IN = """#!/bin/sh
case "$*" in
--version) echo 'librespeed-cli v1.0.10 (built on 2022-08-23T13:16:59Z)' >&2;;
*) echo "$@" >&2; cat <<'END'
REPORT
END
esac
"""


def ask(argv: list[str]) -> process.ProcessResult:
    """Run a short command as `collect` does."""
    return process.run(argv, env={"PATH": "/usr/bin:/bin"}, deadline_s=20)


def altered(**changes: object) -> bytes:
    """Return the report with top-level fields replaced."""
    return json.dumps([json.loads(REPORT)[0] | changes]).encode()


def test_report_in_our_units() -> None:
    """Mbit/s become bit/s, the network's owner is the ISP and the server's URL its host."""
    report = altered(client={"ip": "203.0.113.42", "org": "AS64500 Example Fibre"}, download=93.41, upload=17.5)
    assert librespeed.parse(report, b"").measurement == Measurement(
        download_bps=93_410_000,
        upload_bps=17_500_000,
        latency_ms=10.0,
        jitter_ms=1.0,
        download_bytes=2000,
        upload_bytes=1000,
        isp="AS64500 Example Fibre",
        external_ip="203.0.113.42",
        ip_family=4,
        server=Server(name="Frankfurt, Germany (Clouvider)", host="fra.speedtest.clouvider.net"),
    )


@pytest.mark.parametrize(
    "output", [REPORT, REPORT.strip()[1:-1], read_recording("librespeed/json_public_test_literal.json")]
)
def test_each_form_of_a_report(output: bytes) -> None:
    """An array and the single object of old versions are measured, empty texts are left out."""
    measured = librespeed.parse(output, b"a warning").measurement
    assert measured is not None
    assert (measured.download_bps, measured.upload_bps, measured.isp) == (20_000_000, 10_000_000, None)


@pytest.mark.parametrize("rate", [0, -1, None, "20", True, 1e8, [1]])
def test_report_without_a_possible_rate_is_no_measurement(rate: object) -> None:
    """A rate that is none, negative or beyond reason is never stored."""
    parsed = librespeed.parse(altered(download=rate), b"")
    assert parsed.measurement is None
    assert "download rate" in parsed.complaints[0]


FAILURES = [
    ("dns", FailureKind.DNS, Scope.LINE, "server_list"),
    ("dns_silent", FailureKind.DNS, Scope.LINE, "server_list"),
    ("refused", FailureKind.REFUSED, Scope.PROVIDER, "server_list"),
    ("unreachable", FailureKind.UNREACHABLE, Scope.LINE, "server_list"),
    ("timeout", FailureKind.TIMEOUT, Scope.UNKNOWN, "server_list"),
    ("tls", FailureKind.TLS, Scope.CONFIG, "server_list"),
    ("login_page", FailureKind.BAD_OUTPUT, Scope.UNKNOWN, "server_list"),
    ("list_file", FailureKind.SERVER_GONE, Scope.CONFIG, "server_list"),
    ("server_gone", FailureKind.SERVER_GONE, Scope.CONFIG, "server_selection"),
    ("no_server", FailureKind.NO_SERVER, Scope.UNKNOWN, "server_selection"),
    ("download", FailureKind.STAGE_FAILED, Scope.PROVIDER, "download"),
    ("old_flag", FailureKind.WRONG_BINARY, Scope.CONFIG, "start"),
]


@pytest.mark.parametrize(("name", "kind", "scope", "stage"), FAILURES)
def test_failures(name: str, kind: FailureKind, scope: Scope, stage: str) -> None:
    """Each way to fail has its kind, scope and stage."""
    recorded = read_failure(f"librespeed/fail_{name}.txt")
    ended = process.ProcessResult(recorded.exit_code, stdout=recorded.stdout, stderr=recorded.stderr)
    failure = classify(librespeed.ENGINE, ended, librespeed.parse(recorded.stdout, recorded.stderr), None, 120)
    assert (failure.kind, failure.scope, failure.stage) == (kind, scope, stage)


def test_table_covers_every_failure() -> None:
    """No document of a failure is left out of the table."""
    assert {path.name for path in DATA.glob("librespeed/fail_*")} == {f"fail_{name}.txt" for name, *_ in FAILURES}


@pytest.mark.parametrize("output", [b"[]", b"null"])
def test_no_report_is_no_server(output: bytes) -> None:
    """What Go prints for no report at all, with exit code 0, means that no server answered."""
    failure = classify(
        librespeed.ENGINE, process.ProcessResult(0, stdout=output), librespeed.parse(output, b""), None, 120
    )
    assert (failure.kind, failure.message) == (FailureKind.NO_SERVER, librespeed.NO_SERVER_ANSWERED)


@given(st.integers(0, len(REPORT)), st.integers(0, len(REPORT)), st.binary(max_size=20), st.binary(max_size=50))
def test_mutated_reports_never_raise(start: int, end: int, junk: bytes, stderr: bytes) -> None:
    """However a report is cut, doubled or spoilt, rates are None or possible."""
    measured = librespeed.parse(REPORT[:start] + junk + REPORT[end:], stderr).measurement
    rates = (measured.download_bps, measured.upload_bps) if measured else ()
    assert all(rate is not None and 0 < rate < 10**13 for rate in rates)


@given(st.sampled_from(["client", "server", "share", "ping"]), st.recursive(st.none() | st.text(), st.lists))
def test_any_json_in_any_field_never_raises(field: str, value: object) -> None:
    """Whatever JSON another field than a rate has, the rates count."""
    assert librespeed.parse(altered(**{field: value}), b"").measurement is not None


@pytest.mark.parametrize(
    ("chosen", "server", "options"),
    [
        (LibrespeedSettings(), "", []),
        (LibrespeedSettings(), "51", ["--server", "51"]),
        (LibrespeedSettings(secure=True, ipv4=True), "", ["--secure", "--ipv4"]),
        (
            LibrespeedSettings(servers="https://example.net/list.json"),
            "",
            ["--server-json", "https://example.net/list.json"],
        ),
        (LibrespeedSettings(servers="/etc/servers.json"), "", ["--local-json", "/etc/servers.json"]),
    ],
)
def test_command(chosen: LibrespeedSettings, server: str, options: list[str]) -> None:
    """The command asks for JSON, keeps telemetry off and says what the settings say."""
    command = librespeed.ENGINE.command(LOCATED, Settings(librespeed=chosen), server)
    assert command == ["/opt/librespeed-cli", "--json", "--telemetry-level", "disabled", *options]


def test_listed_servers() -> None:
    """Each line of `--list` is a server, on whichever stream its version prints it."""
    listed = read_recording("librespeed/list.txt")
    servers = (
        Server("51", "Amsterdam, Netherlands", host="ams.speedtest.example.net"),
        Server("22", "Helsinki, Finland (3) (Hetzner)", host="fi.speedtest.example.org"),
    )
    assert librespeed.parse_servers(listed, b"") == librespeed.parse_servers(b"", listed) == servers


def test_command_that_lists_servers() -> None:
    """The list is that of the settings."""
    assert librespeed.ENGINE.servers_command is not None
    listing = librespeed.ENGINE.servers_command(LOCATED, Settings(librespeed=LibrespeedSettings(servers="/list.json")))
    assert listing == ["/opt/librespeed-cli", "--list", "--local-json", "/list.json"]


def test_program_is_found_asked_and_run(tmp_path: Path) -> None:
    """The program on PATH prints its version on stderr, and its output is parsed."""
    program = tmp_path / "librespeed-cli"
    program.write_text(STAND_IN.replace("REPORT", REPORT.decode().strip()))
    program.chmod(0o755)
    located = librespeed.ENGINE.locate(Settings(), {"PATH": str(tmp_path)}, ask)
    assert (located.failure, librespeed.ENGINE.version(located)) == (None, "1.0.10")
    ended = ask(librespeed.ENGINE.command(located, Settings(), ""))
    assert librespeed.parse(ended.stdout, ended.stderr).measurement is not None


def test_absent_program_names_the_fix() -> None:
    """Where it is not installed, the failure names the program and the setting."""
    located = librespeed.ENGINE.locate(Settings(), {"PATH": "/nonexistent"}, ask)
    assert located.failure is not None
    assert located.failure.kind is FailureKind.NOT_INSTALLED
    assert "librespeed-cli" in located.failure.message
    assert "librespeed.binary" in located.failure.message


def test_table_knows_it() -> None:
    """The table leads to this engine by its name, and nothing bars it."""
    assert load_engine("librespeed") is librespeed.ENGINE
    assert librespeed.ENGINE.barred(Settings()) is None
    assert librespeed.ENGINE.progress("{}") is None
