"""A test that the daemon asks for over the socket: its arguments, its answer, its end, and what happens without one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path  # noqa: TC003  a fixture's annotation

import pytest

from monitor.config.settings import CollectSettings, Settings
from monitor.scheduler import relay
from monitor.scheduler.subprocesses import SOCKET_VARIABLE, collect_command

DEADLINE_S = 120


@pytest.mark.parametrize(
    ("arguments", "refused"),
    [
        (["-q", "--trigger", "schedule"], None),
        (["--engine", "ookla", "--server-id", "101", "--no-retry"], None),
        (["--path", "host"], "--path"),
        (["--config", "/x"], "--config"),
        (["--engine", "--config"], "--engine --config"),
        (["--engine"], "--engine "),
        (["--engine", "a b"], "--engine a b"),
        (["-q", ";rm"], ";rm"),
    ],
)
def test_only_harmless_options_can_be_asked_for(arguments: list[str], refused: str | None):
    """Whoever may write to the socket cannot choose a configuration or leave the namespace."""
    assert relay.find_refused(arguments) == refused


def answering(monkeypatch: pytest.MonkeyPatch, script: str) -> tuple[socket.socket, threading.Thread, list[int]]:
    """Return one end of a connection whose other end answers with a shell script instead of a test."""
    monkeypatch.setattr(relay, "collect_command", lambda _arguments: ["/bin/sh", "-c", script])
    monkeypatch.setattr(relay.signal, "signal", lambda *_: None)  # only a main thread may
    ours, theirs = socket.socketpair()
    ours.settimeout(DEADLINE_S)
    codes: list[int] = []

    def answer() -> None:
        with theirs:
            codes.append(relay.answer(theirs.fileno()))

    thread = threading.Thread(target=answer)
    thread.start()
    return ours, thread, codes


def read_lines(connection: socket.socket) -> list[dict[str, object]]:
    """Return all that is answered."""
    with connection.makefile("rb") as lines:
        return [json.loads(line) for line in lines]


def test_the_answer_is_the_exit_code_and_the_last_line(monkeypatch: pytest.MonkeyPatch):
    """As the daemon would have got them from a child of its own."""
    ours, thread, _ = answering(monkeypatch, "echo one >&2; printf '{}'; echo 'speedmon: test failed: dns' >&2; exit 3")
    ours.sendall(b'{"arguments": ["-q"]}\n')
    end = {"exit_code": 3, "message": "test failed: dns", "output": "{}"}
    assert read_lines(ours) == [{"started": True}, end]
    thread.join(DEADLINE_S)
    ours.close()


def test_hanging_up_ends_the_test(monkeypatch: pytest.MonkeyPatch):
    """The test is told to end, and its answer still comes."""
    ours, thread, _ = answering(monkeypatch, "trap 'echo stopped >&2; exit 143' TERM; while :; do sleep 0.05; done")
    ours.sendall(b'{"arguments": []}\n')
    ours.shutdown(socket.SHUT_WR)
    answers = read_lines(ours)
    assert answers[-1]["exit_code"] == 143
    thread.join(DEADLINE_S)
    ours.close()


@pytest.mark.parametrize("request_line", [b"nonsense\n", b"{}\n", b'{"arguments": 3}\n', b""])
def test_a_request_that_cannot_be_read_starts_nothing(monkeypatch: pytest.MonkeyPatch, request_line: bytes):
    """The other side gets no answer, and so runs `collect` itself."""
    ours, thread, codes = answering(monkeypatch, "exit 0")
    ours.sendall(request_line)
    ours.shutdown(socket.SHUT_WR)
    assert read_lines(ours) == []
    thread.join(DEADLINE_S)
    ours.close()
    assert codes == [relay.EXIT_USAGE]


def test_a_refused_request_says_why(monkeypatch: pytest.MonkeyPatch):
    """It is not run elsewhere either."""
    ours, thread, _ = answering(monkeypatch, "exit 0")
    ours.sendall(b'{"arguments": ["--config", "/etc/shadow"]}\n')
    assert read_lines(ours)[-1] == {"exit_code": 2, "message": "--config: cannot be asked for"}
    thread.join(DEADLINE_S)
    ours.close()


ASK = """
import sys
from monitor.scheduler import relay
relay.collect_command = lambda arguments: ["/bin/sh", "-c", "exit 77"]
sys.exit(relay.main(sys.argv[1:]))
"""


def ask(path: Path) -> subprocess.Popen[str]:
    """Start the asking side; where it runs a test itself, it ends with 77."""
    return subprocess.Popen([sys.executable, "-c", ASK, "ask", str(path), "-q"], stderr=subprocess.PIPE, text=True)


def test_without_a_socket_the_test_is_run_here(tmp_path: Path):
    """It cannot measure outside of the namespace, but stores a run that says so."""
    with ask(tmp_path / "none") as process:
        assert process.wait(DEADLINE_S) == 77


def serve_once(path: Path, *answers: bytes) -> threading.Thread:
    """Accept one connection, and answer it."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def accept() -> None:
        with listener, listener.accept()[0] as connection:
            connection.recv(4096)
            for line in answers:
                connection.sendall(line)

    thread = threading.Thread(target=accept)
    thread.start()
    return thread


def test_a_unit_that_did_not_start_is_replaced_by_a_test_here(tmp_path: Path):
    """The connection is closed by systemd the connection when there is no namespace to join."""
    thread = serve_once(tmp_path / "socket")
    with ask(tmp_path / "socket") as process:
        assert process.wait(DEADLINE_S) == 77
    thread.join(DEADLINE_S)


def test_the_asking_side_ends_as_the_test_did(tmp_path: Path):
    """Its last line and its exit code are those of the test."""
    answers = (b'{"started": true}\n', b'{"exit_code": 4, "message": "skipped: quiet", "output": "{}"}\n')
    thread = serve_once(tmp_path / "socket", *answers)
    with ask(tmp_path / "socket") as process:
        assert (process.communicate(timeout=DEADLINE_S)[1], process.returncode) == ("speedmon: skipped: quiet\n", 4)
    thread.join(DEADLINE_S)


def test_a_test_that_was_killed_is_an_error(tmp_path: Path):
    """It started, so it is not run again."""
    thread = serve_once(tmp_path / "socket", b'{"started": true}\n')
    with ask(tmp_path / "socket") as process:
        error = process.communicate(timeout=DEADLINE_S)[1]
    thread.join(DEADLINE_S)
    assert process.returncode == 1
    assert "ended without an answer" in error


def test_sigterm_ends_a_test_that_was_asked_for(tmp_path: Path):
    """The daemon stops it as it would a child of its own."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    listener.listen()
    with listener, ask(tmp_path / "socket") as process, listener.accept()[0] as connection:
        connection.settimeout(DEADLINE_S)
        connection.recv(4096)
        connection.sendall(b'{"started": true}\n')
        os.kill(process.pid, signal.SIGTERM)
        assert connection.recv(4096) == b""
        connection.sendall(b'{"exit_code": 143, "message": ""}\n')
        connection.close()
        assert process.wait(DEADLINE_S) == 143


def test_the_daemon_asks_where_its_unit_names_a_socket():
    """A test over the host's own path needs no namespace: the daemon runs it."""
    inside, outside = Settings(), Settings(collect=CollectSettings(path="host"))
    environ = {SOCKET_VARIABLE: "/run/speedmon/collect.sock"}
    assert collect_command(inside, None, environ, "-q")[-3:] == ["ask", "/run/speedmon/collect.sock", "-q"]
    assert collect_command(outside, None, environ, "-q")[-2:] == ["collect", "-q"]
    assert collect_command(inside, None, {}, "-q")[-2:] == ["collect", "-q"]
