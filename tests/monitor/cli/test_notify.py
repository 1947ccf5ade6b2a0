"""`speedmon notify` and `digest`, and the process that `collect` starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from installation import Installation, make_installation
from notify_desk import Desk, make_desk
from receivers import HttpReceiver, http_receiver
from waiting import until

from monitor.cli.collect import NOTIFY_VARIABLE
from monitor.cli.main import cli
from monitor.notify import launch
from monitor.store.connection import open_reader
from monitor.store.notifications import waiting_messages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    """Yield an HTTP server."""
    with http_receiver() as opened:
        yield opened


@pytest.fixture
def desk(tmp_path: Path, receiver: HttpReceiver) -> Desk:
    """Return a desk that notifies it."""
    return make_desk(tmp_path, receiver.url, is_live=True)


def invoke(desk: Desk, *arguments: str) -> Result:
    """Run `speedmon` in this process, with these settings."""
    desk.write_config()
    return CliRunner().invoke(cli, ["--config", str(desk.folder / "config.toml"), *arguments])


def test_a_test_is_sent_to_each_address(desk: Desk, receiver: HttpReceiver):
    """With exit code 1 if one fails, which is reported without its secrets."""
    assert desk.finish("notify", "test") == (0, f"json://127.0.0.1:{receiver.port}/…: ok\n", "")
    assert receiver.titles == ["home: test"]
    desk.set_notify(urls=[receiver.url, "nonsense://secret"], ping_url=f"http://127.0.0.1:{receiver.port}/ping")
    code, out, err = desk.finish("notify", "test")
    assert code == 1
    assert out.startswith(f"no. 1: json://127.0.0.1:{receiver.port}/…: ok\n")
    assert "nonsense://…" in err
    assert "secret" not in out + err
    assert receiver.paths[-1] == "/ping"
    history = json.loads(invoke(desk, "notify", "history", "--json").output)
    assert [address["failures"] for address in history["addresses"]] == [0, 1, 0]


def test_without_an_address_there_is_nothing_to_test(desk: Desk):
    """The message names the settings."""
    desk.set_notify(urls=[])
    result = invoke(desk, "notify", "test")
    assert "notify.urls" in str(result.exception)
    assert invoke(desk, "notify", "run").output == "nothing is due\n"


def test_the_history_says_what_became_of_messages(desk: Desk, receiver: HttpReceiver):
    """Newest first, with what waits and why, and the addresses that fail."""
    receiver.status = 500
    desk.test("ooo", download_bps=1_000_000)
    desk.notify()
    lines = invoke(desk, "notify", "history").output.splitlines()
    assert "waiting" in lines[0]
    assert "slow began (home, ip4only)" in lines[0]
    assert "takes no messages: 1 attempt failed" in lines[1]
    receiver.status = 200
    desk.now += timedelta(minutes=2)
    desk.notify()
    (sent,) = json.loads(invoke(desk, "notify", "history", "--json").output)["messages"]
    assert (sent["status"], sent["title"], sent["kind"]) == ("sent", "home: line slow", "alert")


def test_a_digest_is_printed(desk: Desk, receiver: HttpReceiver):
    """As text, or as HTML; nothing is sent."""
    now = datetime.now(UTC)
    for days in (1, 8):
        desk.now = now - timedelta(days=days + now.weekday())
        desk.test("o")
    result = invoke(desk, "digest", "--print", "--weekly")
    assert result.output.startswith("home: week from ")
    assert "home (ip4only): 1 test, 1 ok" in result.output
    assert "download  95.7 Mbit/s" in result.output
    assert "<table>" in invoke(desk, "digest", "--print", "--html", "--weekly").output
    assert "No test was recorded." in invoke(desk, "digest", "--print", "--probe", "nobody").output
    assert receiver.messages == []


def test_a_digest_is_sent_on_request(desk: Desk, receiver: HttpReceiver):
    """With its picture, if there were tests."""
    desk.now = datetime.now(UTC) - timedelta(days=1)
    desk.test("oo")
    result = invoke(desk, "digest", "--daily")
    assert result.exit_code == 0, result.output
    assert [len(message["attachments"]) for message in receiver.messages] in ([0], [1])


@pytest.fixture
def site(tmp_path: Path, receiver: HttpReceiver) -> Installation:
    """Return a site that notifies the receiver."""
    made = make_installation(tmp_path)
    with (tmp_path / "config.toml").open("a") as config:
        config.write(f'[notify]\nurls = ["{receiver.url}"]\nping_url = "http://127.0.0.1:{receiver.port}/ping"\n')
        config.write('failing = "1 of 1"\nstates = ["slow"]\n')
    return made


def test_collect_starts_the_notifier_and_does_not_wait(site: Installation, receiver: HttpReceiver):
    """A receiver that hangs holds up neither the test nor the command."""
    receiver.answers.clear()
    assert site.finish("-q") == (0, "", "")
    until(receiver.arrived.is_set)
    receiver.answers.set()
    until(lambda: not waiting(site))
    assert receiver.paths == ["/ping"]


def waiting(site: Installation) -> list[str]:
    """Return the kinds of the messages that wait."""
    with open_reader(site.url) as connection:
        return [message.kind for message in waiting_messages(connection, "home")]


def test_collect_loads_no_more_than_before(site: Installation):
    """Before the engine starts, nothing of notifications is imported."""
    assert "apprise" not in site.imports()


def test_a_notifier_that_cannot_be_started_is_no_failure(site: Installation, monkeypatch: pytest.MonkeyPatch):
    """The run is stored, and one line says what to do."""
    monkeypatch.setattr(launch, "notifier_command", lambda _config: ["/nowhere/python"])
    result = CliRunner().invoke(cli, ["collect", "-q"], env=site.environ)
    assert result.exit_code == 0, result.stderr
    assert "`speedmon notify run` tries again" in result.stderr
    assert len(site.rows()) == 1


def test_a_unit_of_the_service_leaves_it_to_another_unit(site: Installation, monkeypatch: pytest.MonkeyPatch):
    """It runs inside the namespace, from where not every receiver can be reached."""
    monkeypatch.setattr(launch, "notifier_command", lambda _config: ["/nowhere/python"])
    result = CliRunner().invoke(cli, ["collect", "-q"], env=site.environ | {NOTIFY_VARIABLE: "1"})
    assert (result.exit_code, result.stderr) == (0, "")


def test_the_main_process_of_a_unit_waits_for_the_notifier(monkeypatch: pytest.MonkeyPatch):
    """Systemd would kill it with the unit; any other process goes on at once."""
    monkeypatch.setattr(launch, "notifier_command", lambda _config: [sys.executable, "-c", "pass"])
    waited = launch.start_notifier(None, os.environ | {"SYSTEMD_EXEC_PID": str(os.getpid())})
    assert waited.returncode == 0
    left = launch.start_notifier(None, os.environ | {"SYSTEMD_EXEC_PID": "1"})
    assert left.returncode is None
    left.wait()


def test_apprise_is_loaded_by_the_sender_only():
    """Not by the notifier, and not by the daemon."""
    modules = "monitor.notify.deliver, monitor.scheduler.notifier, monitor.cli.notify"
    code = f"import sys, {modules}; print('apprise' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
