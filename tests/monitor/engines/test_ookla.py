"""Ookla's CLI: what its recordings mean in our units, and what garbage becomes."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import SUPPORT
from recordings import DATA, read_failure, read_recording

from monitor.config.settings import OoklaSettings, Settings
from monitor.engines import base, ookla
from monitor.engines.registry import load_engine
from monitor.model import FailureKind, Measurement, Scope, Server
from monitor.system import process

if TYPE_CHECKING:
    from pathlib import Path

RESULTS = sorted(path.name for path in (DATA / "ookla").glob("v1.*_result_*.json"))

FULL = read_recording("ookla/v1.2_result_2024-06-10_cmc_packetloss_fraction_lossy.json")

STREAM = read_recording("ookla/v1.2_jsonl_stream_synthetic_full_shape.jsonl")

STAND_IN = SUPPORT / "ookla_stand_in.py"


def ask(argv: list[str]) -> process.ProcessResult:
    """Run a short command as `collect` does."""
    return process.run(argv, env={"PATH": "/usr/bin:/bin"}, deadline_s=20)


def settings(binary: Path | str = "", *, accepted: bool = True) -> Settings:
    """Return settings with an Ookla section."""
    return Settings(ookla=OoklaSettings(binary=str(binary), accept_license=accepted))


def altered(**changes: object) -> bytes:
    """Return the full result with top-level fields replaced."""
    return json.dumps(json.loads(FULL) | changes).encode()


def test_full_result_in_our_units() -> None:
    """Each field of a full result is stored in bit/s, bytes, ms and percent."""
    assert ookla.parse(FULL, b"").measurement == Measurement(
        download_bps=602542 * 8,
        upload_bps=2889351 * 8,
        latency_ms=18.494,
        jitter_ms=4.491,
        packet_loss_pct=0.46082949308755761,
        download_bytes=6863460,
        upload_bytes=39069387,
        download_ms=11602,
        upload_ms=14558,
        download_latency_ms=535.118,
        upload_latency_ms=1789.35,
        isp="CMC Telecom Infrastructure Company",
        external_ip="203.0.113.21",
        ip_family=4,
        server=Server("63853", "DPTCLOUD.VN", "Hồ Chi Minh", "Vietnam", "speed.dptcloud.vn", "203.0.113.22"),
        result_url="https://www.speedtest.net/result/c/00000000-0000-4000-8000-00000000000e",
    )


@pytest.mark.parametrize("name", RESULTS)
def test_every_recorded_result_is_measured(name: str) -> None:
    """Each recorded result gives both rates, whichever version and fields it has."""
    recorded = json.loads(read_recording(f"ookla/{name}"))
    measured = ookla.parse(read_recording(f"ookla/{name}"), b"").measurement
    assert measured is not None
    assert (measured.download_bps, measured.upload_bps) == tuple(
        recorded[direction]["bandwidth"] * 8 for direction in ("download", "upload")
    )


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("v1.0_result_2020-06-10_aruba.json", "download_latency_ms"),
        ("v1.2_result_2022-10-06_spectrum_not_persisted_no_url.json", "result_url"),
        ("v1.2_result_2026-09-22_bt_truncated_by_author.json", "server"),
        ("v1.2_result_2026-09-22_bt_truncated_by_author.json", "ip_family"),
    ],
)
def test_missing_fields_are_none(name: str, field: str) -> None:
    """What a version or a server does not report is None, and the rest of the result counts."""
    assert getattr(ookla.parse(read_recording(f"ookla/{name}"), b"").measurement, field) is None


def test_stream_of_events_ends_in_its_result() -> None:
    """A jsonl stream gives its result line, not its progress."""
    measured = ookla.parse(STREAM, b"").measurement
    assert measured is not None
    assert measured.download_bps == 11644000 * 8


def test_result_counts_whatever_stderr_says() -> None:
    """Error lines on stderr do not take a result away."""
    noise = read_recording("ookla/fail_dns_exit2_2020-03-22.txt")
    assert ookla.parse(FULL, noise).measurement == ookla.parse(FULL, b"").measurement


def test_pretty_json_after_the_licence_banner() -> None:
    """A result spread over lines behind the banner is found."""
    pretty = json.dumps(json.loads(FULL), indent=4).encode()
    banner = read_recording("ookla/license_and_gdpr_prompts.txt")
    assert ookla.parse(banner + b"\n" + pretty, b"").measurement == ookla.parse(FULL, b"").measurement


def test_last_complete_result_counts() -> None:
    """Of two results the last complete one counts; half a line after it changes nothing."""
    first = altered(isp="first")
    measured = ookla.parse(first + b"\n" + FULL.strip() + b"\n" + first[:200], b"").measurement
    assert measured is not None
    assert measured.isp == "CMC Telecom Infrastructure Company"


def test_invalid_utf8_spoils_one_name_only() -> None:
    """A broken byte in a name leaves the numbers alone."""
    measured = ookla.parse(FULL.replace(b"CMC", b"\xff\xfe"), b"").measurement
    assert measured is not None
    assert measured.download_bps == 602542 * 8


@pytest.mark.parametrize("bandwidth", [-1, True, "602542", 1e300, 10**400, [], {}])
def test_impossible_rate_is_no_result(bandwidth: object) -> None:
    """An impossible rate makes the result unusable and is a complaint."""
    parsed = ookla.parse(altered(download={"bandwidth": bandwidth}), b"")
    assert parsed.measurement is None
    assert "result with an impossible download rate" in parsed.complaints[0]


@pytest.mark.parametrize("phase", [{}, {"bandwidth": None}, {"bandwidth": 0}, None])
def test_result_without_a_rate_is_no_result(phase: object) -> None:
    """A result that lacks a rate, or has 0, is not stored as 0."""
    parsed = ookla.parse(altered(upload=phase), b"")
    assert parsed.measurement is None
    assert parsed.complaints == ("result without a upload rate",)


@pytest.mark.parametrize("loss", [-0.1, 100.1, "0", True, None])
def test_impossible_packet_loss_is_none(loss: object) -> None:
    """Packet loss outside 0 to 100 percent is left out."""
    measured = ookla.parse(altered(packetLoss=loss), b"").measurement
    assert measured is not None
    assert measured.packet_loss_pct is None


def test_control_characters_leave_names() -> None:
    """Names carry no control characters, terminal sequences or NULs."""
    measured = ookla.parse(altered(isp="A\x1b[2J\x00\nB"), b"").measurement
    assert measured is not None
    assert measured.isp == "A [2J B"


@given(st.data())
def test_mutated_recordings_never_raise(data: st.DataObject) -> None:
    """However a recording is cut, doubled or spoilt, rates are None or possible."""
    recording = data.draw(st.sampled_from([read_recording(f"ookla/{name}") for name in RESULTS] + [STREAM]))
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(recording))] * 2)))
    spoilt = recording[:start] + data.draw(st.binary(max_size=20)) + recording[end:]
    measured = ookla.parse(spoilt, data.draw(st.binary(max_size=50))).measurement
    assert measured is None or (_possible(measured.download_bps) and _possible(measured.upload_bps))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.dictionaries(st.sampled_from(["bandwidth", "latency", "iqm", "id", "url", "ip"]), inner)
            | st.lists(inner)
        ),
        max_leaves=8,
    ),
    st.sampled_from(["ping", "download", "upload", "server", "interface", "result", "isp", "packetLoss"]),
)
def test_any_json_in_any_field_never_raises(value: object, field: str) -> None:
    """Whatever JSON stands in a field, no number that is stored is negative, infinite or no number."""
    measured = ookla.parse(altered(**{field: value}), b"").measurement
    for item in fields(measured) if measured else ():
        number = getattr(measured, item.name)
        assert not isinstance(number, float) or (math.isfinite(number) and number >= 0)


def _possible(rate: int | None) -> bool:
    return rate is not None and 0 < rate < 10**13


def test_deep_nesting_is_text() -> None:
    """JSON nested beyond reason is a line like any other."""
    assert ookla.parse(b'{"a":' + b"[" * 200_000, b"").measurement is None


def test_complaints_lose_their_decoration() -> None:
    """Log lines, JSON logs and error objects are complaints in their own words, banners and info lines are not."""
    stderr = (
        b'[2026-01-01 00:00:00.000] [error] one\n[info] not this\n{"type":"log","level":"error","message":"two"}\n'
        b"=====\nYou may only use\n=====\nplain\n"
    )
    assert ookla.parse(b'{"error":"three"}\n', stderr).complaints == ("one", "two", "plain", "three")


def test_progress_of_each_phase() -> None:
    """Each event of a phase gives its name, its share and its rate; other lines give nothing."""
    moments = [ookla.ENGINE.progress(line) for line in STREAM.decode().splitlines()]
    assert [moment and moment.phase for moment in moments] == [None, "latency", "download", "download", "upload", None]
    assert moments[2] is not None
    assert (moments[2].share, moments[2].rate_bps) == (0.18, 11690463 * 8)


def test_command_accepts_the_licence_and_names_the_server() -> None:
    """The command has the flags of the licence, jsonl and the server."""
    located = base.EngineLocation(("/opt/speedtest",))
    expected = ["/opt/speedtest", "--accept-license", "--accept-gdpr", "--format=jsonl", "--server-id=42"]
    assert ookla.ENGINE.command(located, settings(), "42") == expected


def test_licence_bars_until_accepted() -> None:
    """Without the user's consent the engine is barred as a matter of configuration."""
    barred = ookla.ENGINE.barred(settings(accepted=False))
    assert barred is not None
    assert (barred.kind, barred.scope) == (FailureKind.LICENCE, Scope.CONFIG)
    assert ookla.ENGINE.barred(settings()) is None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the stand-in as `speedtest`, for a PATH."""
    shutil.copy(STAND_IN, tmp_path / "speedtest")
    return tmp_path


def test_located_on_path_with_its_version(folder: Path) -> None:
    """A `speedtest` on PATH that says it is Ookla's is found, with its version."""
    located = ookla.ENGINE.locate(settings(), {"PATH": str(folder)}, ask)
    assert (located.command, located.version, located.failure) == ((str(folder / "speedtest"),), "1.2.0.84", None)


def test_python_program_of_the_same_name_is_wrong(folder: Path) -> None:
    """A `speedtest` that is the Python one is recognised by what it prints."""
    version = read_recording("ookla/version_line_samples.txt").decode().partition("instead:)\n")[2]
    (folder / "script.json").write_text(json.dumps({"version": version}))
    located = ookla.ENGINE.locate(settings(), {"PATH": str(folder)}, ask)
    assert located.failure is not None
    assert (located.failure.kind, located.failure.scope) == (FailureKind.WRONG_BINARY, Scope.CONFIG)
    assert "speedtest-cli 2.1.4b1" in located.failure.message


def test_pip_wrapper_is_recognised_without_starting_it(tmp_path: Path) -> None:
    """The script that pip writes is recognised by reading it."""
    script = tmp_path / "speedtest"
    script.write_text("#!/usr/bin/false\n# -*- coding: utf-8 -*-\nimport re\nimport sys\nfrom speedtest import main\n")
    script.chmod(0o755)
    located = ookla.ENGINE.locate(settings(), {"PATH": str(tmp_path)}, _never)
    assert located.failure is not None
    assert located.failure.kind is FailureKind.WRONG_BINARY


def _never(argv: list[str]) -> process.ProcessResult:
    raise AssertionError(argv)


@pytest.mark.parametrize(
    ("name", "content", "mode", "words"),
    [
        ("absent", None, 0, "does not exist"),
        ("plain", b"text", 0o644, "is not executable"),
        ("arm", b"\x7fELF\x02\x01\x01" + b"\0" * 60, 0o755, "cannot be executed"),
    ],
)
def test_configured_binary_that_cannot_run(
    tmp_path: Path, name: str, content: bytes | None, mode: int, words: str
) -> None:
    """A configured binary that is missing or cannot be executed is not installed, and the message says why."""
    binary = tmp_path / name
    if content is not None:
        binary.write_bytes(content)
        binary.chmod(mode)
    located = ookla.ENGINE.locate(settings(binary), {}, ask)
    assert located.configured
    assert located.failure is not None
    assert (located.failure.kind, located.failure.scope) == (FailureKind.NOT_INSTALLED, Scope.CONFIG)
    assert words in located.failure.message


def test_table_knows_it() -> None:
    """The table leads to this engine by its name."""
    assert load_engine("ookla") is ookla.ENGINE


def test_failure_recordings_hold_no_result() -> None:
    """No recorded failure is taken for a measurement, on whichever stream it came."""
    names = [path.name for path in (DATA / "ookla").glob("fail_*")]
    outputs = [read_failure(f"ookla/{name}").stderr for name in names]
    assert [ookla.parse(output, output).measurement for output in outputs] == [None] * len(names)


def test_version_is_that_of_the_located_binary() -> None:
    """The version is the one that the program prints."""
    located = replace(base.EngineLocation(), version="1.2.0.84")
    assert ookla.ENGINE.version(located) == "1.2.0.84"


def test_listed_servers() -> None:
    """Each entry of the list is a server with its id as text; an entry without one is left out."""
    listed = ookla.parse_servers(read_recording("ookla/v1.2_servers_L_f_json.json"), b"[error] noise")
    assert listed == (
        Server("45909", "Ogi", "Cardiff", "United Kingdom", "speedtest.ogi.wales"),
        Server("28459", "University of Oxford", "Oxford", "United Kingdom", "speedtest.oxford.oxide.ox.ac.uk"),
    )
    assert ookla.parse_servers(b'{"servers":[{"name":"x"},7]}\n{"servers":3}', b"") == ()


def test_command_that_lists_servers() -> None:
    """The list is asked for in JSON, with the licence accepted."""
    assert ookla.ENGINE.servers_command is not None
    listing = ookla.ENGINE.servers_command(base.EngineLocation(("/opt/speedtest",)), settings())
    assert listing == ["/opt/speedtest", "--accept-license", "--accept-gdpr", "--servers", "--format=json"]


@pytest.mark.parametrize(
    "line",
    [
        b'{"error":"Too many requests"}',
        b'{"error":{"message":"Too many requests"}}',
        b'{"level":"error","message":"Too many requests"}',
    ],
)
def test_every_form_of_an_error_object_is_a_complaint(line: bytes) -> None:
    """An error is read as a text, as an object and as a log line without its type."""
    assert "Too many requests" in ookla.parse(line, b"").complaints[0]


def test_result_of_the_other_speedtest_is_no_measurement() -> None:
    """A result of the Python program, whose rates are bit/s, is never read as bytes/s."""
    parsed = ookla.parse(read_recording("speedtest-cli/success_2.1.2_json_2020-01-19_spectrum.json"), b"")
    assert parsed.measurement is None
    assert parsed.complaints == ("a result of another program, the Python speedtest-cli",)


@pytest.mark.parametrize("number", [b"NaN", b"-Infinity", b"1e999", b'"\\ud800"'])
def test_number_that_is_none_spoils_itself_only(number: bytes) -> None:
    """A number or text that strict JSON refuses is left out, and the rest of the result counts."""
    output = altered(packetLoss=777, isp="888").replace(b"777", number).replace(b'"888"', number)
    measured = ookla.parse(output, b"").measurement
    assert measured is not None
    assert (measured.download_bps, measured.packet_loss_pct, measured.isp) == (602542 * 8, None, None)


def test_rate_that_is_not_a_number_is_reported() -> None:
    """NaN for a rate makes the result unusable and is named."""
    parsed = ookla.parse(altered(download={"bandwidth": math.nan}), b"")
    assert parsed.measurement is None
    assert parsed.complaints == ("result with an impossible download rate: 'nan'",)
