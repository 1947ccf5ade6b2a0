"""Has a test carried out by `speedmon-collect`: the daemon has no privilege, and systemd starts the test for it.

`ask SOCKET ARGUMENT…` runs beside the daemon as its child, in place of `collect ARGUMENT…`: it sends the arguments over
the socket, which makes systemd start `answer` inside the namespace, and ends with the exit code of the test and the
last line that it wrote; `collect` of a member of the group asks in the same way where there is no launcher. SIGTERM
ends the test. Where no test is started, because there is no namespace to join, it runs
`collect` itself: that measures nothing outside, but stores a failed run that says what is missing.

The request is one line of JSON, {"arguments": […]}. The answers are two: {"started": true}, and at the end
{"exit_code": …, "message": "…", "output": "…"}.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
from typing import IO, TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_REQUEST_BYTES = 4096
REQUEST_TIMEOUT_S = 10
EXIT_UNEXPECTED, EXIT_USAGE = 1, 2

# Options of `collect` that may be asked for, and those of them that have a value.
FLAGS = frozenset({"-q", "--no-retry", "--anyway", "--json"})
VALUED = frozenset({"--trigger", "--engine", "--server-id", "--run-id", "--schedule"})
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def find_refused(arguments: Sequence[str]) -> str | None:
    """Return the first argument that nobody may ask for over the socket; None if all are fine."""
    rest = iter(arguments)
    for argument in rest:
        if argument in VALUED:
            value = next(rest, "")
            if not _VALUE.fullmatch(value):
                return f"{argument} {value}"
        elif argument not in FLAGS:
            return argument
    return None


def collect_command(arguments: Sequence[str]) -> list[str]:
    """Return the command line of `collect` in this installation; see `speedmon_command` for `-P`."""
    return [sys.executable, "-P", "-m", "monitor", "collect", *arguments]


def ask(path: str, arguments: Sequence[str]) -> int:
    """Ask for a test and wait for its end, or run it here where nobody starts it; return its exit code."""
    code = request_test(path, arguments)
    if code is None:
        _run_here(arguments)
    return code


def request_test(path: str, arguments: Sequence[str]) -> int | None:
    """Ask for a test, wait for its end and print what it printed; return its exit code, None if none was started."""
    if find_refused(arguments):
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        before = signal.signal(signal.SIGTERM, lambda *_: _hang_up(connection))
        try:
            connection.connect(path)
            connection.sendall(json.dumps({"arguments": [*arguments]}).encode() + b"\n")
        except OSError:
            signal.signal(signal.SIGTERM, before)
            return None
        answers = _read_answers(connection)
    signal.signal(signal.SIGTERM, before)
    if not answers.get("started"):
        return None
    print(answers.get("output", ""), end="", flush=True)  # noqa: T201  what the test itself would have printed
    message = answers.get("message", "the test ended without an answer: see journalctl -u 'speedmon-collect@*'")
    if message:
        print(f"speedmon: {message}", file=sys.stderr)  # noqa: T201  the daemon reads the last line
    return int(answers.get("exit_code", EXIT_UNEXPECTED))


def _run_here(arguments: Sequence[str]) -> NoReturn:
    command = collect_command(arguments)
    os.execv(command[0], command)  # noqa: S606  replacing this process is the point


def _hang_up(connection: socket.socket) -> None:
    """Tell the other side to end the test; its answer still comes."""
    try:
        connection.shutdown(socket.SHUT_WR)
    except OSError:  # not connected yet, or no longer
        sys.exit(128 + signal.SIGTERM)


def _read_answers(connection: socket.socket) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    with connection.makefile("rb") as lines:
        try:
            for line in lines:
                answers |= json.loads(line)
        except (OSError, ValueError):
            return answers
    return answers


def answer(descriptor: int = 0) -> int:
    """Carry out the request on a connected socket, which systemd passes as standard input; return an exit code."""
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        connection.settimeout(REQUEST_TIMEOUT_S)
        try:
            arguments = _read_request(connection)
        except (OSError, ValueError, KeyError, TypeError):
            return EXIT_USAGE
        _send(connection, {"started": True})
        if refused := find_refused(arguments):
            _send(connection, {"exit_code": EXIT_USAGE, "message": f"{refused}: cannot be asked for"})
            return EXIT_USAGE
        _send(connection, _run_test(collect_command(arguments), connection))
    return 0


def _read_request(connection: socket.socket) -> list[str]:
    received = b""
    while b"\n" not in received and len(received) < MAX_REQUEST_BYTES:
        part = connection.recv(MAX_REQUEST_BYTES)
        if not part:
            break
        received += part
    return [str(argument) for argument in json.loads(received)["arguments"]]


def _run_test(command: Sequence[str], connection: socket.socket) -> dict[str, Any]:
    """Run a test until it ends; end it when the other side hangs up. Return the answer."""
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=True
        )
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        _wait(process, connection)
        code = process.wait()
        lines = _read_text(stderr).strip().splitlines()
        message = lines[-1].removeprefix("speedmon: ") if lines else ""
        return {"exit_code": code if code >= 0 else 128 - code, "message": message, "output": _read_text(stdout)}


def _read_text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _wait(process: subprocess.Popen[bytes], connection: socket.socket) -> None:
    ended = os.pidfd_open(process.pid)
    try:
        ready, _, _ = select.select([ended, connection.fileno()], [], [])
        if ended not in ready:
            process.terminate()
    finally:
        os.close(ended)


def _send(connection: socket.socket, message: dict[str, Any]) -> None:
    try:
        connection.sendall(json.dumps(message).encode() + b"\n")
    except OSError:  # whoever asked has gone; the test is stored all the same
        return


def main(argv: Sequence[str]) -> int:
    """Run `ask SOCKET ARGUMENT…` or `answer`."""
    if argv[:1] == ["answer"]:
        return answer()
    return ask(argv[1], argv[2:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
