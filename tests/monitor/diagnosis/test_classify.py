"""What failed and whose fault it is: a table over the recorded failures, and over every end of a child process."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import DATA, FailureRecording, read_failure, read_recording

from monitor.diagnosis.classify import classify
from monitor.engines.registry import BUILT_IN, load_engine
from monitor.model import Failure, FailureKind, Scope
from monitor.system.process import ProcessResult


def failure_of(engine: str, ended: ProcessResult, launcher: str | None = None) -> Failure:
    """Return the failure of an engine that ended so."""
    loaded = load_engine(engine)
    return classify(loaded, ended, loaded.parse(ended.stdout, ended.stderr), launcher, 120)


def of_recording(engine: str, recording: FailureRecording) -> Failure:
    """Return the failure of a recording."""
    return failure_of(engine, ProcessResult(recording.exit_code, stdout=recording.stdout, stderr=recording.stderr))


OOKLA = [
    ("fail_cannot_bind_interface_2026-09-22.txt", FailureKind.BIND, Scope.CONFIG, "configuration", "Failed binding"),
    ("fail_dns_exit2_2020-03-22.txt", FailureKind.DNS, Scope.LINE, "configuration", "Couldn't resolve host name"),
    (
        "fail_human_verbose_v1.0_internet-pi307.txt",
        FailureKind.STAGE_FAILED,
        Scope.UNKNOWN,
        "download",
        "Download: FAILED",
    ),
    ("fail_protocol_error_hello.txt", FailureKind.STAGE_FAILED, Scope.PROVIDER, None, "Did not receive HELLO"),
    ("fail_rate_limited_exit173_2026.txt", FailureKind.RATE_LIMITED, Scope.PROVIDER, None, "Too many requests"),
    (
        "fail_server_selection_noservers.txt",
        FailureKind.NO_SERVER,
        Scope.UNKNOWN,
        "server_selection",
        "Failed to find a working",
    ),
    ("wrong_binary_sivel_usage.txt", FailureKind.WRONG_BINARY, Scope.CONFIG, "start", "speedtest"),
    ("license_and_gdpr_prompts.txt", FailureKind.LICENCE, Scope.CONFIG, "start", "accept"),
]


@pytest.mark.parametrize(("name", "kind", "scope", "stage", "words"), OOKLA)
def test_recorded_failures_of_ookla(name: str, kind: FailureKind, scope: Scope, stage: str | None, words: str) -> None:
    """Each recorded failure of Ookla's CLI has its kind, scope, stage and most telling line."""
    failure = of_recording("ookla", read_failure(f"ookla/{name}"))
    assert (failure.kind, failure.scope, failure.stage) == (kind, scope, stage)
    assert words in failure.message


LOG_LINES = [
    (FailureKind.TIMEOUT, Scope.UNKNOWN),
    (FailureKind.SERVER_GONE, Scope.CONFIG),
    (FailureKind.STAGE_FAILED, Scope.UNKNOWN),
    (FailureKind.TIMEOUT, Scope.UNKNOWN),
    (FailureKind.STAGE_FAILED, Scope.UNKNOWN),
    (FailureKind.STAGE_FAILED, Scope.UNKNOWN),
    (FailureKind.STAGE_FAILED, Scope.UNKNOWN),
    (FailureKind.UNREACHABLE, Scope.UNKNOWN),
    (FailureKind.TIMEOUT, Scope.UNKNOWN),
    (FailureKind.REFUSED, Scope.PROVIDER),
    (FailureKind.UNKNOWN, Scope.UNKNOWN),
]


def test_recorded_log_lines_of_ookla() -> None:
    """Each recorded JSON log line is classified by its message, without its decoration."""
    lines = read_recording("ookla/fail_log_lines_stderr_collection.jsonl").splitlines()
    failures = [failure_of("ookla", ProcessResult(2, stderr=line)) for line in lines]
    assert [(one.kind, one.scope) for one in failures] == LOG_LINES
    assert failures[0].message == "Timeout occurred in connect."


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b'{"error":"Cannot open socket"}', FailureKind.UNREACHABLE),
        (b'{"error":"Cannot write: "}', FailureKind.STAGE_FAILED),
        (b'{"error":"Cannot read: "}', FailureKind.STAGE_FAILED),
        (b'{"error":"Cannot read from socket: "}', FailureKind.STAGE_FAILED),
        (b'{"error":"Something nobody saw"}', FailureKind.UNKNOWN),
    ],
)
def test_error_objects_on_stdout(line: bytes, kind: FailureKind) -> None:
    """An error object on stdout with an empty stderr is a complaint like any other."""
    failure = failure_of("ookla", ProcessResult(2, stdout=line))
    assert (failure.kind, failure.scope) == (kind, Scope.UNKNOWN)
    assert failure.message == json.loads(line)["error"].strip()


@pytest.mark.parametrize(
    ("line", "kind", "scope"),
    [
        ("Configuration - Couldn't connect to server (Network is unreachable)", FailureKind.UNREACHABLE, Scope.LINE),
        (
            "Configuration - Could not retrieve or read configuration (ConfigurationError)",
            FailureKind.UNKNOWN,
            Scope.UNKNOWN,
        ),
        ("[error] Error: [1] Latency test failed for HTTP", FailureKind.STAGE_FAILED, Scope.PROVIDER),
        ("[error] Error: [36] Cannot open socket: Operation now in progress", FailureKind.TIMEOUT, Scope.UNKNOWN),
        ("[error] Failed to resolve host name. Cancelling test suite.", FailureKind.DNS, Scope.LINE),
        ("[error] Host resolve failed: Exec format error", FailureKind.DNS, Scope.LINE),
        ("[error] Cannot open socket: No route to host", FailureKind.UNREACHABLE, Scope.LINE),
        ("bash: ./speedtest: cannot execute binary file: Exec format error", FailureKind.NOT_INSTALLED, Scope.CONFIG),
        ("Configuration - Cannot retrieve configuration document (503)", FailureKind.PROVIDER_DOWN, Scope.PROVIDER),
        ("Configuration - Cannot retrieve configuration document (429)", FailureKind.RATE_LIMITED, Scope.PROVIDER),
        ("Configuration - Cannot retrieve configuration document (0)", FailureKind.UNREACHABLE, Scope.UNKNOWN),
        ("Configuration - SSL certificate problem", FailureKind.TLS, Scope.CONFIG),
    ],
)
def test_documented_lines_of_ookla(line: str, kind: FailureKind, scope: Scope) -> None:
    """Each line that the manual page or the catalogue of failures names has its kind and scope."""
    generic = "\n[error] Configuration - Could not retrieve or read configuration (Configuration)"
    failure = failure_of("ookla", ProcessResult(2, stderr=(line + generic).encode()))
    assert (failure.kind, failure.scope) == (kind, scope)


SPEEDTEST_CLI = [
    ("badargs", FailureKind.WRONG_BINARY, Scope.CONFIG),
    ("captive", FailureKind.BAD_OUTPUT, Scope.UNKNOWN),
    ("empty200", FailureKind.BAD_OUTPUT, Scope.UNKNOWN),
    ("http403", FailureKind.PROVIDER_DOWN, Scope.PROVIDER),
    ("http429", FailureKind.RATE_LIMITED, Scope.PROVIDER),
    ("http503", FailureKind.PROVIDER_DOWN, Scope.PROVIDER),
    ("refused", FailureKind.REFUSED, Scope.PROVIDER),
]


@pytest.mark.parametrize(("name", "kind", "scope"), SPEEDTEST_CLI)
def test_recorded_failures_of_speedtest_cli(name: str, kind: FailureKind, scope: Scope) -> None:
    """Each recorded failure of speedtest-cli has its kind and scope."""
    failure = of_recording("speedtest-cli", read_failure(f"speedtest-cli/failure_{name}.txt"))
    assert (failure.kind, failure.scope) == (kind, scope)


def test_tables_cover_every_recording() -> None:
    """No recorded failure is left out of the tables above."""
    tabled = {f"failure_{name}.txt" for name, *_ in SPEEDTEST_CLI} | {name for name, *_ in OOKLA}
    elsewhere = {"fail_log_lines_stderr_collection.jsonl", "fail_json_error_object_stdout.txt"}
    recorded = {path.name for folder in ("ookla", "speedtest-cli") for path in DATA.glob(f"{folder}/fail*")}
    assert recorded - tabled == elsewhere


@pytest.mark.parametrize(
    ("line", "kind", "scope", "stage"),
    [
        ("<urlopen error [Errno -2] Name or service not known>", FailureKind.DNS, Scope.LINE, "configuration"),
        ("<urlopen error [Errno 101] Network is unreachable>", FailureKind.UNREACHABLE, Scope.LINE, "configuration"),
        (
            "<urlopen error [Errno 99] Cannot assign requested address>",
            FailureKind.UNREACHABLE,
            Scope.UNKNOWN,
            "configuration",
        ),
        ("<urlopen error timed out>", FailureKind.TIMEOUT, Scope.UNKNOWN, "configuration"),
        (
            "<urlopen error [SSL: CERTIFICATE_VERIFY_FAILED] verify failed>",
            FailureKind.TLS,
            Scope.CONFIG,
            "configuration",
        ),
        ("No matched servers: 42", FailureKind.SERVER_GONE, Scope.CONFIG, "server_selection"),
        ("Unable to connect to servers to test latency.", FailureKind.NO_SERVER, Scope.UNKNOWN, "server_selection"),
        (
            "ValueError: invalid literal for int() with base 10: ''",
            FailureKind.BAD_OUTPUT,
            Scope.PROVIDER,
            "configuration",
        ),
    ],
)
def test_lines_of_speedtest_cli(line: str, kind: FailureKind, scope: Scope, stage: str) -> None:
    """Each known line has its kind, scope and stage, and its message is without what surrounds it."""
    failure = failure_of(
        "speedtest-cli", ProcessResult(1, stderr=f"Cannot retrieve speedtest configuration\nERROR: {line}\n".encode())
    )
    assert (failure.kind, failure.scope, failure.stage) == (kind, scope, stage)
    assert "ERROR" not in failure.message
    assert "urlopen" not in failure.message


@pytest.mark.parametrize(
    ("ended", "kind", "scope"),
    [
        (ProcessResult(signal=9), FailureKind.CRASHED, Scope.LOCAL),
        (ProcessResult(137), FailureKind.CRASHED, Scope.LOCAL),
        (ProcessResult(signal=11), FailureKind.CRASHED, Scope.PROVIDER),
        (ProcessResult(signal=4), FailureKind.CRASHED, Scope.CONFIG),
        (ProcessResult(signal=15), FailureKind.CRASHED, Scope.LOCAL),
        (
            ProcessResult(signal=6, stderr=b"basic_string::_M_construct null not valid"),
            FailureKind.CRASHED,
            Scope.CONFIG,
        ),
        (ProcessResult(134, stderr=b"basic_string::_S_construct null not valid"), FailureKind.CRASHED, Scope.CONFIG),
        (ProcessResult(173), FailureKind.RATE_LIMITED, Scope.PROVIDER),
        (ProcessResult(signal=9, timed_out=True), FailureKind.TIMEOUT, Scope.UNKNOWN),
        (ProcessResult(signal=15, interrupted=2), FailureKind.INTERRUPTED, Scope.LOCAL),
        (ProcessResult(exec_errno=2), FailureKind.NOT_INSTALLED, Scope.CONFIG),
        (ProcessResult(0), FailureKind.BAD_OUTPUT, Scope.UNKNOWN),
        (ProcessResult(0, stdout=b"<html>login</html>"), FailureKind.BAD_OUTPUT, Scope.UNKNOWN),
        (ProcessResult(2, stdout=b'{"type":"result","timest'), FailureKind.BAD_OUTPUT, Scope.UNKNOWN),
        (ProcessResult(0, stdout=b'{"type":"result"}'), FailureKind.STAGE_FAILED, Scope.UNKNOWN),
        (ProcessResult(7), FailureKind.UNKNOWN, Scope.UNKNOWN),
    ],
)
def test_ways_to_end(ended: ProcessResult, kind: FailureKind, scope: Scope) -> None:
    """Signals, exit codes, silence and garbage each have their kind and scope."""
    failure = failure_of("ookla", ended)
    assert (failure.kind, failure.scope) == (kind, scope)
    assert failure.message


@pytest.mark.parametrize(
    ("launcher", "ended", "kind"),
    [
        (
            "ip4only",
            ProcessResult(125, stderr=b"ip4only: open /run/netns/ip4only: gone; run setup-netns\n"),
            FailureKind.NAMESPACE,
        ),
        ("ip4only", ProcessResult(exec_errno=13), FailureKind.NAMESPACE),
        ("ip4only", ProcessResult(125, stderr=b"something else\n"), FailureKind.UNKNOWN),
        (
            "ip4only",
            ProcessResult(127, stderr=b"ip4only: /opt/x: No such file or directory\n"),
            FailureKind.NOT_INSTALLED,
        ),
        (None, ProcessResult(125, stderr=b"ip4only: no\n"), FailureKind.UNKNOWN),
    ],
)
def test_launcher_that_refused(launcher: str | None, ended: ProcessResult, kind: FailureKind) -> None:
    """Only a launcher's own refusal, recognised by its name and 125, is a failure of the namespace."""
    assert failure_of("ookla", ended, launcher).kind is kind


def test_stage_of_the_last_event() -> None:
    """Where no words name the stage, the last phase that was reported does."""
    stream = read_recording("ookla/v1.2_jsonl_stream_synthetic_full_shape.jsonl").splitlines()
    stdout = b"\n".join([*stream[:3], b'{"error":"Cannot read: "}'])
    assert failure_of("ookla", ProcessResult(2, stdout=stdout)).stage == "download"


def test_message_is_one_clean_line() -> None:
    """Control characters leave the message, and it has an end."""
    failure = failure_of("ookla", ProcessResult(2, stderr=b"\x1b[31mCannot read: \x07" + b"x" * 5000))
    assert len(failure.message) <= 300
    assert failure.message.isprintable()


def test_timeout_repeats_the_last_words() -> None:
    """The failure of a test that its deadline ended has the deadline and the last complaint."""
    failure = failure_of("ookla", ProcessResult(signal=9, stderr=b"[error] Cannot open socket\n", timed_out=True))
    assert failure.message == "no result after 120 s; last output: Cannot open socket"


@given(
    st.sampled_from(sorted(BUILT_IN)),
    st.sampled_from(sorted(path for path in DATA.rglob("*") if path.is_file())).map(lambda path: path.read_bytes()),
    st.data(),
)
def test_mutated_recordings_never_raise(engine: str, recording: bytes, data: st.DataObject) -> None:
    """Whatever is said on whichever stream, there is a failure with a clean message."""
    cut = data.draw(st.integers(0, len(recording)))
    spoilt = recording[:cut] + data.draw(st.binary(max_size=20)) + recording[cut + 5 :]
    stdout, stderr = data.draw(st.permutations([spoilt, b""]))
    failure = failure_of(engine, ProcessResult(data.draw(st.integers(0, 255)), stdout=stdout, stderr=stderr))
    assert failure.message
    assert failure.message.isprintable()


def test_flood_of_lines_is_bounded() -> None:
    """Long lines and very many of them are classified, by the last of them."""
    stderr = b"noise\n" * 50_000 + b"x" * 100_000 + b"\nCouldn't resolve host name\n"
    assert failure_of("ookla", ProcessResult(2, stderr=stderr)).kind is FailureKind.DNS


def test_web_page_is_named_so() -> None:
    """A web page in place of a result is named, as it may be that of a line that needs a login."""
    failure = failure_of(
        "ookla", ProcessResult(0, stdout=b"<!DOCTYPE html>\n<html><body>Please log in</body></html>\n")
    )
    assert (failure.kind, failure.scope) == (FailureKind.BAD_OUTPUT, Scope.UNKNOWN)
    assert failure.message.startswith("a web page, perhaps a login page: ")


def test_result_of_the_wrong_program_is_recognised() -> None:
    """A program on PATH that prints the other speedtest's result, exit code 0, is the wrong one."""
    result = read_recording("speedtest-cli/success_2.1.2_json_2020-01-19_spectrum.json")
    failure = failure_of("ookla", ProcessResult(0, stdout=result))
    assert (failure.kind, failure.scope) == (FailureKind.WRONG_BINARY, Scope.CONFIG)


# The names in the catalogue of recorded messages.
CATALOGUE = {
    "license_not_accepted": FailureKind.LICENCE,
    "wrong_binary": FailureKind.WRONG_BINARY,
    "binary_missing": FailureKind.NOT_INSTALLED,
    "crash_no_home": FailureKind.CRASHED,
    "rate_limited": FailureKind.RATE_LIMITED,
    "bind_failed": FailureKind.BIND,
    "dns": FailureKind.DNS,
    "network_unreachable": FailureKind.UNREACHABLE,
    "tls": FailureKind.TLS,
    "config_http_5xx": FailureKind.PROVIDER_DOWN,
    "config_http_403": FailureKind.PROVIDER_DOWN,
    "server_gone": FailureKind.SERVER_GONE,
    "no_working_server": FailureKind.NO_SERVER,
    "latency_stage": FailureKind.STAGE_FAILED,
    "protocol": FailureKind.STAGE_FAILED,
    "refused": FailureKind.REFUSED,
    "reset": FailureKind.STAGE_FAILED,
    "connect_timeout": FailureKind.TIMEOUT,
    "socket_open": FailureKind.UNREACHABLE,
    "socket_read": FailureKind.STAGE_FAILED,
    "stage_failed": FailureKind.STAGE_FAILED,
    "captive_portal_or_bad_config": FailureKind.BAD_OUTPUT,
    "memory": FailureKind.CRASHED,
    "upload_timeout": FailureKind.TIMEOUT,
}

# Of these the words alone say nothing, or two things.
TOLD_ELSEWHERE = {"config_unreachable", "server_list"}

PATTERNS = [
    (engine, entry["code"], pattern)
    for engine, name in (("ookla", "ookla"), ("speedtest-cli", "sivel"))
    for entry in json.loads(read_recording("failure_catalogue.json"))[name]
    for pattern in entry.get("patterns", ())
    if entry["code"] not in TOLD_ELSEWHERE
]


@pytest.mark.parametrize(("engine", "code", "pattern"), PATTERNS)
@settings(max_examples=5, derandomize=True)
@given(data=st.data())
def test_messages_of_the_catalogue(engine: str, code: str, pattern: str, data: st.DataObject) -> None:
    """Each message of the catalogue has the kind that it stands for there."""
    line = data.draw(
        st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True, alphabet=st.characters(codec="ascii"))
    )
    if code == "config_http_403" and "429" in line:
        return  # which is the rate limit's
    assert failure_of(engine, ProcessResult(2, stderr=line.encode())).kind is CATALOGUE[code]
