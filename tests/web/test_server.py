"""`speedmon serve` as a process: it starts, serves, tests on its schedule and ends in order."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest
from serve_process import DEADLINE_S, SPEEDMON, end_daemon, serving, wait_for

from monitor.model import FailureKind, Run, Status, Trigger
from monitor.store.connection import open_reader
from monitor.store.read import latest_runs

# Answers --version as the real one does, and hangs when it is to measure.
HANGS = """#!/bin/sh
case "$*" in
  *--version*) echo "Speedtest by Ookla 1.2.0.84 (stand-in) Linux/x86_64" ;;
  *) touch "$0.started"; exec sleep 600 ;;
esac
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return the environment of an installation of its own, whose engine hangs."""
    engine = tmp_path / "speedtest"
    engine.write_text(HANGS)
    engine.chmod(0o755)
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "STATE_DIRECTORY": str(tmp_path / "state"),
        "CACHE_DIRECTORY": str(tmp_path / "cache"),
        "SPEEDMON_DATABASE_URL": f"sqlite:///{tmp_path}/speedmon.db",
        "SPEEDMON_COLLECT__ENGINE": "ookla",
        "SPEEDMON_COLLECT__PATH": "host",
        "SPEEDMON_COLLECT__PROBE_FAILURES": "false",
        "SPEEDMON_COLLECT__LOCK_FILE": str(tmp_path / "lock"),
        "SPEEDMON_OOKLA__BINARY": str(engine),
        "SPEEDMON_OOKLA__ACCEPT_LICENSE": "true",
        "SPEEDMON_SCHEDULE__JITTER_S": "0",
        "SPEEDMON_WEB__PORT": "0",
    }


def rows(environ: dict[str, str]) -> list[Run]:
    """Return the stored runs, newest first."""
    with open_reader(environ["SPEEDMON_DATABASE_URL"]) as connection:
        return latest_runs(connection, limit=10)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_page_is_served_until_a_signal_comes(environ: dict[str, str], number: int):
    """Page and API are served on a free port; a signal ends it with 0 within three seconds, without output."""
    with serving(environ, "--no-schedule") as (process, url):
        assert "Nothing measured yet" in httpx.get(url).text
        assert httpx.get(f"{url}api/v1/runs").json() == []
        code, seconds, stderr = end_daemon(process, number)
    assert (code, stderr) == (0, "")
    assert seconds < 3


def test_a_running_test_is_recorded_as_interrupted(environ: dict[str, str]):
    """SIGTERM during a test ends test and daemon within three seconds, and the run says what happened."""
    with serving(environ | {"SPEEDMON_SCHEDULE__EVERY_S": "5"}) as (process, _):
        wait_for(Path(environ["SPEEDMON_OOKLA__BINARY"] + ".started").exists)
        code, seconds, _ = end_daemon(process)
    assert code == 0
    assert seconds < 3
    (run,) = (run for run in rows(environ) if run.status is not Status.SKIPPED)
    assert (run.status, run.trigger, run.engine) == (Status.INTERRUPTED, Trigger.SCHEDULE, "ookla")
    assert run.failure is not None
    assert run.failure.kind is FailureKind.INTERRUPTED


def test_a_test_that_the_page_was_asked_for(environ: dict[str, str]):
    """It takes the lock and shows its progress; cancelled, it is stored under the id that was returned."""
    with serving(environ, "--no-schedule") as (process, url):
        secret = subprocess.run(
            [SPEEDMON, "token", "add", "me", "--role", "admin"], env=environ, capture_output=True, text=True, check=True
        ).stdout.strip()
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {secret}"}) as client:
            started = client.post("api/v1/tests")
            wait_for(Path(environ["SPEEDMON_OOKLA__BINARY"] + ".started").exists)
            wait_for(lambda: client.get("api/v1/tests/current").json()["progress"] is not None)
            assert client.post("api/v1/tests").status_code == 409
            cancelled = client.delete("api/v1/tests/current")
            wait_for(lambda: client.get("api/v1/tests/current").json()["id"] is None)
        code, _, stderr = end_daemon(process)
    assert (started.status_code, cancelled.status_code, code, stderr) == (202, 202, 0, "")
    (run,) = rows(environ)
    assert (run.id, run.status, run.trigger) == (started.json()["id"], Status.INTERRUPTED, Trigger.WEB)
    assert cancelled.json() == started.json()


def test_an_open_connection_does_not_delay_the_shutdown(environ: dict[str, str]):
    """A client that keeps its connection open, or never finishes its request, is not waited for."""
    with serving(environ, "--no-schedule") as (process, url):
        address = ("127.0.0.1", httpx.URL(url).port or 0)
        with socket.create_connection(address) as slow, httpx.Client() as client:
            slow.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
            client.get(url)
            code, seconds, _ = end_daemon(process)
    assert code == 0
    assert seconds < 3


def test_a_slot_during_a_test_becomes_a_skipped_run(environ: dict[str, str]):
    """A schedule that is faster than its tests leaves skipped runs, on the page as well."""
    with serving(environ | {"SPEEDMON_SCHEDULE__EVERY_S": "1"}) as (process, url):
        wait_for(lambda: bool(httpx.get(f"{url}api/v1/runs?status=skipped").json()))
        assert "the previous test was still running" in httpx.get(url).text
        _, _, stderr = end_daemon(process)
    assert "speedmon: schedule: no test at this time: the previous test was still running\n" in stderr


def test_the_configuration_file_reaches_the_tests(environ: dict[str, str], tmp_path: Path):
    """What --config names holds for the scheduled test too."""
    config = tmp_path / "own.toml"
    config.write_text('[probe]\nname = "cellar"\n')
    often = environ | {"SPEEDMON_SCHEDULE__EVERY_S": "5"}
    with serving(often, "--config", str(config)) as (process, _):
        wait_for(Path(environ["SPEEDMON_OOKLA__BINARY"] + ".started").exists)
        end_daemon(process)
    assert {run.probe for run in rows(environ)} == {"cellar"}


@pytest.mark.parametrize(
    ("setting", "value", "code", "says"),
    [
        ("SPEEDMON_SCHEDULE__CRON", "61 * * * *", 2, "speedmon: schedule.cron: minute: 61 is not from 0 to 59\n"),
        ("SPEEDMON_SCHEDULE__TIMEZONE", "Mars", 2, "speedmon: schedule.timezone: "),
        ("SPEEDMON_DISPLAY__TIMEZONE", "Mars", 2, "speedmon: display.timezone: "),
        ("SPEEDMON_WEB__HOST", "192.0.2.1", 1, "speedmon: cannot listen on 192.0.2.1 port 0: Cannot assign"),
        ("SPEEDMON_WEB__HOST", "no such host", 1, "speedmon: cannot listen on no such host port 0: "),
        ("SPEEDMON_DATABASE_URL", "sqlite:////proc/no/speedmon.db", 2, "speedmon: /proc/no"),
    ],
)
def test_what_cannot_be_served_is_an_error_of_one_line(
    environ: dict[str, str], setting: str, value: str, code: int, says: str
):
    """A mistake in the configuration is exit 2, an address that cannot be had exit 1; both name the thing."""
    environ |= {"SPEEDMON_SCHEDULE__CRON": "0 0 1 1 *", setting: value}
    done = subprocess.run(
        [SPEEDMON, "serve", "--insecure"], env=environ, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(says)
    assert done.stderr.count("\n") == 1


def test_an_address_in_use_is_an_error_of_one_line(environ: dict[str, str]):
    """A second daemon on the same port ends at once, and the first one stays."""
    with serving(environ, "--no-schedule") as (_, url):
        port = str(httpx.URL(url).port)
        done = subprocess.run(
            [SPEEDMON, "serve", "--no-schedule", "--port", port],
            env=environ,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert httpx.get(f"{url}healthz").status_code == 200
    assert done.returncode == 1
    assert f"speedmon: cannot listen on 127.0.0.1 port {port}: Address already in use" in done.stderr


def test_a_defect_is_one_line_in_the_log(environ: dict[str, str]):
    """An error while a page is made is one line on stderr, and how often it came again is another."""
    with serving(environ, "--no-schedule") as (process, url):
        Path(environ["SPEEDMON_DATABASE_URL"].removeprefix("sqlite:///")).write_bytes(os.urandom(4096))
        assert [httpx.get(url).status_code for _ in range(20)] == [503] * 20
        _, _, stderr = end_daemon(process)
    line = r"speedmon: [^\n]*speedmon\.db[^\n]*"
    # A slow machine may take more than a minute for them.
    assert re.fullmatch(rf"{line}\n({line} \(and \d+ more\)\n)+", stderr)


def test_sighup_reads_the_configuration_again_and_drops_no_test(environ: dict[str, str], tmp_path: Path):
    """A bad file keeps the old settings and says so in one line; a good one holds, and the running test goes on."""
    file = tmp_path / "config.toml"
    file.write_text('[schedule]\nevery_s = 86400\n[probe]\nname = "first"\n')
    environ |= {"SPEEDMON_CONFIG": str(file)}
    with serving(environ) as (process, url):
        assert process.stdout
        wait_for((tmp_path / "speedtest.started").exists)
        file.write_text('[schedule]\ncron = "61 * * * *"\n')
        process.send_signal(signal.SIGHUP)
        file_is_read = process.stderr.readline() if process.stderr else ""
        assert file_is_read.startswith(
            "speedmon: the configuration is not read again, the old one stays: schedule.cron"
        )
        file.write_text('[schedule]\ncron = "0 0 1 1 *"\n[probe]\nname = "second"\n')
        process.send_signal(signal.SIGHUP)
        assert process.stdout.readline() == "speedmon: the configuration was read again\n"
        page = httpx.get(url).text
        assert "second" in page
        assert "Testing now" in page
        code, _, stderr = end_daemon(process)
    assert (code, stderr) == (0, "")
    assert [run.status for run in rows(environ)] == [Status.INTERRUPTED]


def test_systemd_is_told_when_the_page_is_served(environ: dict[str, str], tmp_path: Path):
    """A start that fails, such as for a port that is in use, is then noticed by whoever started the unit."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(DEADLINE_S)
        with serving(environ | {"NOTIFY_SOCKET": str(tmp_path / "notify")}, "--no-schedule"):
            assert manager.recv(100) == b"READY=1"
