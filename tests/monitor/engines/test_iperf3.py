"""iperf3: what its recordings mean, and the real program over a shaped line in the lab."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recordings import DATA, read_recording

from monitor.config.settings import Iperf3Settings, Settings
from monitor.diagnosis.classify import classify
from monitor.engines import iperf3
from monitor.engines.base import EngineLocation
from monitor.engines.registry import load_engine
from monitor.model import Failure, FailureKind, Measurement, Scope, Server
from monitor.system import process

BOTH = read_recording("iperf3/iperf3_3.12_both_ways_loopback.json")

DOWNLOAD = read_recording("iperf3/iperf3_3.12_tcp_reverse_download_loopback.json")

HOME = Settings(iperf3=Iperf3Settings(host="198.51.100.7"))


def ask(argv: list[str]) -> process.ProcessResult:
    """Run a short command as `collect` does."""
    return process.run(argv, env={"PATH": "/usr/bin:/bin"}, deadline_s=20)


def failure_of(stdout: bytes, stderr: bytes = b"", code: int = 0) -> Failure:
    """Return the failure of a test that printed so; it exits with 0 unless it is a new one."""
    ended = process.ProcessResult(code, stdout=stdout, stderr=stderr)
    return classify(iperf3.ENGINE, ended, iperf3.parse(stdout, stderr), None, 120)


def both(change: Any = None) -> bytes:
    """Return the two objects of a test, the second changed."""
    decoder = json.JSONDecoder()
    first, end = decoder.raw_decode(BOTH.decode())
    second, _ = decoder.raw_decode(BOTH.decode()[end:].strip())
    if change:
        change(second)
    return f"{json.dumps(first)}\n{json.dumps(second)}\n".encode()


def test_both_ways_in_our_units() -> None:
    """Both rates are what the receiver got, the loaded latency that of the upload, and what nobody measured is None."""
    assert iperf3.parse(BOTH, b"").measurement == Measurement(
        download_bps=24_200_432_267,
        upload_bps=24_915_507_529,
        download_bytes=3_025_141_760,
        upload_bytes=3_115_581_440,
        download_ms=1000,
        upload_ms=1000,
        upload_latency_ms=0.037,
        ip_family=4,
        server=Server(name="127.0.0.1", host="127.0.0.1:5201", ip="127.0.0.1"),
    )


def test_one_way_is_no_measurement() -> None:
    """A download without its upload is a failure of the upload."""
    failure = failure_of(DOWNLOAD)
    assert (failure.kind, failure.stage) == (FailureKind.BAD_OUTPUT, "upload")


ERRORS = [
    ("busy", FailureKind.REFUSED, Scope.PROVIDER),
    ("connection_refused", FailureKind.REFUSED, Scope.PROVIDER),
    ("dns", FailureKind.DNS, Scope.UNKNOWN),
    ("dns_2", FailureKind.DNS, Scope.UNKNOWN),
    ("other_program", FailureKind.STAGE_FAILED, Scope.PROVIDER),
    ("server_killed", FailureKind.STAGE_FAILED, Scope.PROVIDER),
    ("timeout", FailureKind.TIMEOUT, Scope.UNKNOWN),
    ("unreachable", FailureKind.UNREACHABLE, Scope.LINE),
]


@pytest.mark.parametrize(("name", "kind", "scope"), ERRORS)
def test_recorded_errors(name: str, kind: FailureKind, scope: Scope) -> None:
    """Each recorded error, all of which exit with 0, has its kind, scope and own words."""
    output = read_recording(f"iperf3/iperf3_3.12_error_{name}.json")
    failure = failure_of(output)
    assert (failure.kind, failure.scope, failure.exit_code) == (kind, scope, 0)
    assert failure.message == json.loads(output)["error"]


def test_server_that_failed_is_named() -> None:
    """A broken-off test names the server with its port, so that a diagnosis can connect to it; a refused one none."""
    broken = iperf3.parse(read_recording("iperf3/iperf3_3.12_error_server_killed.json"), b"")
    assert broken.server == Server(name="127.0.0.1", host="127.0.0.1:5201")
    assert iperf3.parse(read_recording("iperf3/iperf3_3.12_error_connection_refused.json"), b"").server is None


def test_table_covers_every_error() -> None:
    """No recorded error is left out of the table."""
    recorded = {path.stem.partition("_error_")[2] for path in DATA.glob("iperf3/*_error_*")}
    assert recorded == {name for name, *_ in ERRORS}


def test_error_in_the_second_test_takes_the_measurement() -> None:
    """An upload with an error is not a measurement, whatever numbers come with it."""
    output = both(lambda upload: upload.update(error="unable to receive results: Connection reset by peer"))
    assert iperf3.parse(output, b"").measurement is None
    assert (failure_of(output).kind, failure_of(output).stage) == (FailureKind.STAGE_FAILED, "upload")


@pytest.mark.parametrize("rate", [0, -1, "1000", True, 1e14, None, []])
def test_impossible_rate_is_no_measurement(rate: object) -> None:
    """A rate that is none, negative or beyond reason is never stored."""

    def spoil(upload: Any) -> None:
        upload["end"]["sum_received"]["bits_per_second"] = rate

    parsed = iperf3.parse(both(spoil), b"")
    assert parsed.measurement is None
    assert "upload rate" in parsed.complaints[-1]


@pytest.mark.parametrize(
    ("stderr", "code", "kind"),
    [
        (b"iperf3: unrecognized option '--connect-timeout'\nUsage: iperf3 [-s|-c host]", 1, FailureKind.WRONG_BINARY),
        (b"iperf3: error - test authorization failed", 1, FailureKind.REFUSED),
        (b"iperf3: error - unable to send control message: Broken pipe", 1, FailureKind.STAGE_FAILED),
    ],
)
def test_plain_errors(stderr: bytes, code: int, kind: FailureKind) -> None:
    """Lines on stderr are read like the errors of an object."""
    assert failure_of(b"", stderr, code).kind is kind


@given(st.integers(0, len(BOTH)), st.integers(0, len(BOTH)), st.binary(max_size=20))
def test_mutated_recordings_never_raise(start: int, end: int, junk: bytes) -> None:
    """However the recording is cut, doubled or spoilt, rates are None or possible."""
    measured = iperf3.parse(BOTH[:start] + junk + BOTH[end:], junk).measurement
    rates = (measured.download_bps, measured.upload_bps) if measured else ()
    assert all(rate is not None and 0 < rate < 10**13 for rate in rates)


@given(
    st.sampled_from([("start", "connected"), ("start", "connecting_to"), ("end", "streams"), ("end", "sum_sent")]),
    st.recursive(st.none() | st.integers() | st.text(), st.lists),
)
def test_any_json_in_any_field_never_raises(where: tuple[str, str], value: object) -> None:
    """Whatever JSON another field than a rate has, the rates count."""
    output = both(lambda upload: upload[where[0]].update({where[1]: value}))
    assert iperf3.parse(output, b"").measurement is not None


def test_command_measures_one_way_after_the_other() -> None:
    """The shell's script is fixed; every word of the settings is an argument of its own."""
    settings = Settings(iperf3=Iperf3Settings(host="198.51.100.7", port=5301, streams=2, seconds=3))
    command = iperf3.ENGINE.command(EngineLocation(("/usr/bin/iperf3",)), settings, "")
    assert command[:4] == ["/bin/sh", "-c", iperf3.BOTH_DIRECTIONS, "iperf3"]
    expected = "/usr/bin/iperf3 --client 198.51.100.7 --port 5301 --connect-timeout 10000 --parallel 2 --time 3"
    assert command[4:] == f"{expected} --interval 0 --json".split()


def test_no_server_named_says_what_to_set() -> None:
    """Without a server of the user's own the failure is one of configuration and names the setting."""
    located = iperf3.ENGINE.locate(Settings(), {"PATH": "/usr/bin"}, ask)
    assert located.failure is not None
    assert (located.failure.kind, located.failure.scope) == (FailureKind.NO_SERVER, Scope.CONFIG)
    assert "iperf3.host" in located.failure.message


def test_real_program_is_found() -> None:
    """The installed iperf3 is found on PATH and prints its version."""
    located = iperf3.ENGINE.locate(HOME, {"PATH": "/usr/bin:/bin"}, ask)
    assert located.failure is None
    assert (iperf3.ENGINE.version(located) or "").startswith("3.")


def test_table_knows_it() -> None:
    """The table leads to this engine by its name; it lists no servers, and nothing bars it."""
    assert load_engine("iperf3") is iperf3.ENGINE
    assert (iperf3.ENGINE.servers_command, iperf3.ENGINE.barred(HOME)) == (None, None)
    assert iperf3.ENGINE.progress("{}") is None
