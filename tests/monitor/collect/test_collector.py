"""`speedmon collect`: every attempt becomes a row, and the exit code says how it ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

import msgspec
import pytest
from installation import DNS, HEAVY, STREAM, Installation, failure_kind_and_scope, make_installation, refuse_entry
from msgspec.structs import replace

from monitor import model
from monitor.collect import judge, outcome
from monitor.collect.collector import collect, make_request
from monitor.collect.measure import Runtime, namespace_command
from monitor.collect.outcome import EngineRun
from monitor.collect.validation import ExpectedPath
from monitor.diagnosis.advice import ADVICE
from monitor.engines import ookla
from monitor.errors import StoreError, UsageError
from monitor.model import Failure, FailureKind, Plan, Scope, Status, Trigger
from monitor.system.lock import hold_lock
from monitor.system.process import ProcessResult
from netns.errors import NamespaceMissingError, NetnsError, NotPermittedError


@pytest.fixture
def site(tmp_path: Path) -> Installation:
    """Return a site with a stand-in that replays a good test."""
    return make_installation(tmp_path)


def ookla_run(ended: ProcessResult) -> EngineRun:
    """Return what is judged after Ookla's CLI ended so on the host."""
    return EngineRun(ookla.ENGINE, None, ended, None, 60)


def test_good_test_is_stored(site: Installation) -> None:
    """A good test is a row with the engine's numbers, and exit code 0."""
    run, code = site.run()
    assert (code, run.status, run.download_bps, run.engine_version) == (0, Status.OK, 11644000 * 8, "1.2.0.84")
    assert site.rows() == [run]


def test_result_outweighs_error_and_exit_code(site: Installation) -> None:
    """A complete result counts although the engine complained and exited with 2."""
    site.script(stdout=STREAM, stderr=DNS, exit_code=2)
    run, code = site.run()
    assert (code, run.status, run.failure) == (0, Status.OK, None)


@pytest.mark.parametrize(
    ("script", "kind", "scope"),
    [
        ({"stderr": DNS, "exit_code": 2}, FailureKind.DNS, Scope.LINE),
        ({"stdout": "<html>", "exit_code": 0}, FailureKind.BAD_OUTPUT, Scope.UNKNOWN),
        ({"exit_code": 173}, FailureKind.RATE_LIMITED, Scope.PROVIDER),
        ({"signal": 9}, FailureKind.CRASHED, Scope.LOCAL),
        ({"version": "speedtest-cli 2.1.3\n"}, FailureKind.WRONG_BINARY, Scope.CONFIG),
    ],
)
def test_failed_test_is_stored(site: Installation, script: dict[str, object], kind: FailureKind, scope: Scope) -> None:
    """A failed test is a row with its cause, and exit code 3."""
    site.script(**script)
    run, code = site.run()
    assert (code, run.status, failure_kind_and_scope(run)) == (3, Status.FAILED, (kind, scope))
    assert (run.download_bps, site.rows()) == (None, [run])


def test_deadline(site: Installation) -> None:
    """A test that hangs is ended at its deadline and stored as a timeout."""
    site.script(stdout=STREAM.partition('{"type":"result"')[0], hang=600, ignore_term=True)
    run, code = site.run(site.settings(timeout_s=2))
    assert (code, failure_kind_and_scope(run)) == (3, (FailureKind.TIMEOUT, Scope.UNKNOWN))
    assert run.failure is not None
    assert run.failure.stage == "upload"


def test_licence_that_is_not_accepted(site: Installation) -> None:
    """Without consent the run fails as a matter of configuration, and the CLI is never started."""
    settings = site.settings()
    (site.folder / "speedtest").write_text(f"#!/bin/sh\ntouch {site.folder}/started\n")
    run, code = site.run(replace(settings, ookla=replace(settings.ookla, accept_license=False)))
    assert (code, failure_kind_and_scope(run)) == (3, (FailureKind.LICENCE, Scope.CONFIG))
    assert not (site.folder / "started").exists()
    assert site.rows() == [run]


def test_missing_binary(site: Installation) -> None:
    """A binary that is not there is a stored failure."""
    (site.folder / "speedtest").unlink()
    run, code = site.run()
    assert (code, failure_kind_and_scope(run)) == (3, (FailureKind.NOT_INSTALLED, Scope.CONFIG))


def test_second_test_is_skipped(site: Installation) -> None:
    """While another test runs nothing is started, and the slot is stored as skipped."""
    with hold_lock(str(site.folder / "lock")):
        run, code = site.run()
    assert (code, run.status, run.failure) == (4, Status.SKIPPED, outcome.BUSY)
    assert (site.starts(), site.rows()) == ([], [run])


@pytest.mark.parametrize(("error", "code"), [(NamespaceMissingError, 5), (NotPermittedError, 6)])
def test_namespace_out_of_reach(site: Installation, error: type[NetnsError], code: int) -> None:
    """Without its namespace a test is stored as failed, and never falls back to the host."""
    run, code = site.run(site.settings(path="ip4only"), refuse_entry(error))
    assert (code, failure_kind_and_scope(run), run.path) == (
        code,
        (FailureKind.NAMESPACE, Scope.LOCAL),
        model.NetworkPath.IP4ONLY,
    )
    assert (site.starts(), site.rows()) == ([], [run])


def test_launcher_that_refuses(site: Installation) -> None:
    """A launcher that refuses at the last moment is recognised as such, with exit code 5."""
    refusal = ["/bin/sh", "-c", "echo 'ip4only: setns: Operation not permitted' >&2; exit 125"]
    run, code = site.run(site.settings(path="ip4only"), lambda *_, **__: refusal)
    assert (code, failure_kind_and_scope(run)) == (5, (FailureKind.NAMESPACE, Scope.LOCAL))


def test_command_runs_through_the_namespace(site: Installation) -> None:
    """On path ip4only the engine is started by the command that enters the namespace of the settings."""
    entered: list[str] = []

    def wrap(name: str, argv: list[str], *, environ: object) -> list[str]:
        entered.append(name)
        return ["/usr/bin/env", "INSIDE=1", *argv]

    _, code = site.run(site.settings(path="ip4only", server_id="42"), wrap)
    assert (code, entered, site.starts()[0]["environ"]["INSIDE"]) == (0, ["ip4only"], "1")
    assert "--server-id=42" in site.starts()[0]["argv"]


def test_real_entry_reports_a_missing_namespace(site: Installation) -> None:
    """The real way in reports a namespace that does not exist."""
    with pytest.raises(NamespaceMissingError, match="nosuchns"):
        namespace_command("nosuchns", ["true"], environ=site.environ)


def test_engine_gets_a_small_known_environment(site: Installation) -> None:
    """The engine sees PATH, a private HOME that lasts and LANG, and nothing of the caller's."""
    site.run()
    environ = site.starts()[0]["environ"]
    home = Path(environ["HOME"])
    assert environ.keys() - {"LC_CTYPE"} == {"PATH", "HOME", "LANG"}  # Python sets LC_CTYPE for itself
    assert home == site.folder / "state" / "home"
    assert home.stat().st_mode & 0o777 == 0o700


def test_engine_inherits_no_descriptor(site: Installation) -> None:
    """The engine has its three streams and nothing of ours, the lock least of all."""
    site.run()
    assert set(site.starts()[0]["descriptors"]) - {"3"} == {"0", "1", "2"}  # 3 is its own look at /proc
    assert not any("lock" in target for target in site.starts()[0]["descriptors"].values())


def test_database_that_cannot_be_written(site: Installation) -> None:
    """A database that cannot be written is reported before a test is wasted on it."""
    (site.folder / "speedmon.db").mkdir()
    with pytest.raises(StoreError, match="is a directory"):
        site.run()
    assert site.starts() == []


def test_clock_that_runs_back(site: Installation) -> None:
    """A clock that is set back during a test changes nothing of the run's length, and makes the run doubtful."""
    start = datetime(2026, 1, 1, 12, 0, 0, 999, UTC)
    times, since_boot = iter([start, start - timedelta(hours=1)]), iter([1000.0, 1031.5])
    request = make_request(site.settings(), None, None, None, Trigger.CLI)
    runtime = Runtime(site.environ, os.geteuid(), clock=lambda: next(times), boot_clock=lambda: next(since_boot))
    run, _ = collect(site.settings(), request, runtime)
    assert run.started_at == start.replace(microsecond=0)
    assert run.finished_at - run.started_at == timedelta(seconds=31)
    assert ([remark.kind for remark in run.remarks], run.healthy) == (["clock"], False)


def test_plan_and_output_are_stored_with_the_run(site: Installation) -> None:
    """The plan in force is stored, and the output without the progress of the test."""
    settings = site.settings()
    result = judge.judge_result(ookla_run(ProcessResult(0, stdout=STREAM.encode(), stderr=b"a\0b")), ExpectedPath())
    now = datetime(2026, 1, 1, tzinfo=UTC)
    request = make_request(settings, None, None, None, Trigger.CLI)
    attempt = outcome.to_attempt(settings, request, result, "id", (now, now))
    assert attempt.plan == Plan(download_bps=100_000_000)
    assert [json.loads(line)["type"] for line in attempt.raw.stdout.split("\n") if line] == ["testStart", "result"]
    assert attempt.raw.stderr == "a\N{REPLACEMENT CHARACTER}b"


def test_interrupt_after_the_result() -> None:
    """A result that is complete when a signal comes is stored, and the exit code shows the signal."""
    result = judge.judge_result(ookla_run(ProcessResult(None, 15, STREAM.encode(), interrupted=15)), ExpectedPath())
    assert (result.status, result.code) == (Status.OK, 143)


@pytest.mark.parametrize("server", ["abc", "1 2", "-1", "--share"])
def test_server_id_must_be_a_number(site: Installation, server: str) -> None:
    """A server id that is not a number is refused before anything starts."""
    with pytest.raises(UsageError, match="is not a number"):
        make_request(site.settings(), None, None, server, Trigger.CLI)


def test_nothing_heavy_before_the_engine(site: Installation) -> None:
    """Until the engine starts no heavy library is imported."""
    modules = site.imports()
    assert "msgspec" in modules
    assert not modules & HEAVY


def test_command_prints_one_line(site: Installation) -> None:
    """On success the command prints one line that a person can read, and nothing on stderr."""
    assert site.finish() == (
        0,
        "download 93.2 Mbit/s, upload 29.6 Mbit/s, latency 12.4 ms, Turk Telekom, Example Net, Istanbul (no. 1234)\n",
        "",
    )


def test_command_prints_the_stored_run_as_json(site: Installation) -> None:
    """--json prints the row as `history` does, with times that end in Z."""
    code, out, err = site.finish("--json")
    assert (code, err, out.encode()) == (0, "", msgspec.json.encode(site.rows()[0]) + b"\n")
    assert json.loads(out)["started_at"].endswith("Z")


def test_quiet_command_says_nothing(site: Installation) -> None:
    """-q prints nothing on success."""
    assert site.finish("-q", "--trigger", "schedule") == (0, "", "")
    assert site.rows()[0].trigger is Trigger.SCHEDULE


def test_quiet_command_reports_a_failure(site: Installation) -> None:
    """A failure is one line on stderr with kind, scope and what to do, -q or not."""
    site.script(stderr=DNS, exit_code=2)
    words = "dns (line): Configuration - Couldn't resolve host name (HostNotFoundException)"
    assert site.finish("-q") == (3, "", f"speedmon: test failed: {words}; fix: {ADVICE[FailureKind.DNS]}\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--engine", "iperf"], "unknown engine 'iperf' (known: auto, ookla, speedtest-cli, librespeed, iperf3)"),
        (["--server-id", "x"], "server id 'x' is not a number"),
        (["--path", "moon"], "moon"),
    ],
)
def test_usage_errors(site: Installation, arguments: list[str], words: str) -> None:
    """What cannot be used is named, with exit code 2, no traceback and no row."""
    code, out, err = site.finish(*arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert "Traceback" not in err
    assert not (site.folder / "speedmon.db").exists()


def test_real_speedtest_cli_without_a_network(site: Installation) -> None:
    """The real speedtest-cli where no name resolves is a stored failure of DNS on the line."""
    command = [sys.executable, "-m", "monitor", "collect", "--engine", "speedtest-cli"]
    inside = ["unshare", "--user", "--map-root-user", "--net", *command]
    done = subprocess.run(inside, env=site.environ, capture_output=True, text=True, check=False, timeout=120)
    run = site.rows()[0]
    assert (done.returncode, run.engine, run.engine_version) == (3, "speedtest-cli", metadata.version("speedtest-cli"))
    assert failure_kind_and_scope(run) == (FailureKind.DNS, Scope.LINE)
    assert run.failure == Failure(
        FailureKind.DNS, Scope.LINE, "configuration", "[Errno -3] Temporary failure in name resolution", 1
    )
