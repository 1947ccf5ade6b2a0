"""A child process: it ends by its deadline with its whole group, and its output is kept within a limit."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from monitor.system.process import BoundedOutput, LineSplitter, OutputOptions, ProcessResult, run
from monitor.system.signals import Interrupts

ENV = {"PATH": "/usr/bin:/bin"}

# Far more than any of these children needs; a test that waits for it has failed.
LONG_S = 60.0


def python(code: str, deadline_s: float = LONG_S, **options: object) -> ProcessResult:
    """Run a piece of Python as a child."""
    return run([sys.executable, "-I", "-c", code], env=ENV, deadline_s=deadline_s, **options)  # type: ignore[arg-type]


def shell(script: str, deadline_s: float = LONG_S) -> ProcessResult:
    """Run a shell script as a child."""
    return run(["/bin/sh", "-c", script], env=ENV, deadline_s=deadline_s)


def test_output_and_exit_code() -> None:
    """Both streams, the exit code and the environment are the child's own."""
    code = "import os,sys; print(sorted(os.environ)); print('err', file=sys.stderr); sys.exit(7)"
    ended = python(code)
    assert (ended.exit_code, ended.signal, ended.stderr) == (7, None, b"err\n")
    assert b"'PATH'" in ended.stdout
    assert b"'HOME'" not in ended.stdout


def test_signal_of_its_own() -> None:
    """A child that dies by a signal is distinguished from one that exits."""
    ended = python("import os; os.kill(os.getpid(), 9)")
    assert (ended.exit_code, ended.signal, ended.timed_out) == (None, 9, False)


def test_stdin_is_empty() -> None:
    """A child that asks for input gets none."""
    assert python("import sys; print(repr(sys.stdin.read()))").stdout == b"''\n"


@pytest.mark.parametrize(
    ("name", "number"), [("absent", errno.ENOENT), ("plain", errno.EACCES), ("elf", errno.ENOEXEC)]
)
def test_command_that_cannot_be_executed(tmp_path: Path, name: str, number: int) -> None:
    """A command that is missing, not executable or no program is a result, not an exception."""
    (tmp_path / "plain").touch(0o644)
    (tmp_path / "elf").write_bytes(b"\x7fELF" + b"\0" * 60)
    (tmp_path / "elf").chmod(0o755)
    assert run([str(tmp_path / name)], env=ENV, deadline_s=LONG_S).exec_errno == number


def test_deadline_ends_a_child() -> None:
    """A child that hangs is ended at its deadline."""
    ended = python("import time; time.sleep(600)", 0.3)
    assert (ended.timed_out, ended.signal) == (True, signal.SIGTERM)


def test_deadline_kills_a_child_that_ignores_sigterm() -> None:
    """A child that ignores SIGTERM is killed after a short grace."""
    assert shell("trap '' TERM; while :; do sleep 600; done", 2).signal == signal.SIGKILL


def test_child_that_closes_its_pipes_and_hangs() -> None:
    """Closed pipes are no end: the deadline still is."""
    ended = python("import os,time; os.close(1); os.close(2); time.sleep(600)", 1)
    assert (ended.timed_out, ended.signal) == (True, signal.SIGTERM)


def test_grandchild_that_holds_the_pipes() -> None:
    """When the child has ended nobody waits for a grandchild, which is killed."""
    ended = shell("sleep 600 & echo $!")
    assert (ended.exit_code, ended.timed_out) == (0, False)
    wait_until_gone(int(ended.stdout))


def test_grandchild_dies_with_the_deadline() -> None:
    """The deadline ends the whole group, also a member that ignores SIGTERM."""
    wait_until_gone(int(shell("trap '' TERM; sleep 600 & echo $!; wait", 2).stdout))


def wait_until_gone(pid: int) -> None:
    """Wait until a process has ended; a zombie that its init has not reaped has."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state == "Z":
            return
        time.sleep(0.01)
    pytest.fail(f"process {pid} is still there")


def test_first_and_last_output_is_kept() -> None:
    """Of a flood the beginning and the end are kept, within the limit."""
    code = "import sys\nprint('first')\nfor _ in range(3000): sys.stdout.write('x' * 999 + '\\n')\nprint('last')"
    ended = python(code, output=OutputOptions(limit_bytes=64_000))
    assert ended.truncated
    assert len(ended.stdout) <= 64_001
    assert ended.stdout.startswith(b"first\n")
    assert ended.stdout.endswith(b"last\n")


def test_lines_are_handed_on_as_they_come() -> None:
    """Each complete line of stdout is passed on, broken characters replaced."""
    lines: list[str] = []
    python("import sys; sys.stdout.buffer.write(b'one\\ntw\\xff\\nrest')", output=OutputOptions(on_line=lines.append))
    assert lines == ["one", "tw\N{REPLACEMENT CHARACTER}"]


def test_signal_to_us_ends_the_child() -> None:
    """SIGTERM to this process ends the child at once, and is reported."""
    with Interrupts() as interrupts:
        code = "import time; print('ready', flush=True); time.sleep(600)"
        ended = python(
            code, interrupts=interrupts, output=OutputOptions(on_line=lambda _: os.kill(os.getpid(), signal.SIGTERM))
        )
    assert (ended.interrupted, ended.signal, ended.timed_out) == (signal.SIGTERM, signal.SIGTERM, False)
    assert ended.elapsed_s < LONG_S / 2


def test_nothing_starts_after_a_signal(tmp_path: Path) -> None:
    """A signal that came before the start keeps the child from starting."""
    with Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGINT)
        ended = run(["/usr/bin/touch", str(tmp_path / "x")], env=ENV, deadline_s=LONG_S, interrupts=interrupts)
    assert ended.interrupted == signal.SIGINT
    assert not (tmp_path / "x").exists()


def test_handlers_are_put_back() -> None:
    """After the block the signals mean what they meant before."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with Interrupts():
        pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_ignored_signals_stay_ignored() -> None:
    """What the caller ignores, as nohup does, does not end a test."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGHUP)
        assert interrupts.signal is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_runs_in_a_thread_without_handlers() -> None:
    """Outside the main thread no handler is installed, and a child still runs."""
    results: list[ProcessResult] = []

    def work() -> None:
        with Interrupts() as interrupts:
            results.append(python("print(1)", interrupts=interrupts))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert results[0].stdout == b"1\n"


def test_descriptors_are_closed() -> None:
    """A run leaves no descriptor behind."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        python("pass")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_error_of_the_line_taker_ends_the_child() -> None:
    """If a taker of lines raises, the child is killed before the error goes on."""
    pids: list[str] = []

    def take(line: str) -> None:
        pids.append(line)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        python("import os,time; print(os.getpid(), flush=True); time.sleep(600)", output=OutputOptions(on_line=take))
    wait_until_gone(int(pids[0]))


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_kept_within_its_limit(size: int) -> None:
    """However the chunks fall, the first eighth and the end are kept, and a line ends where something is missing."""
    output, data = BoundedOutput(80), bytes(range(256)) * 4
    for start in range(0, len(data), size):
        output.add(data[start : start + size])
    assert output.content() == data[:10] + b"\n" + data[-70:]


def test_short_output_is_kept_completely() -> None:
    """Output below the limit is kept as it is."""
    output = BoundedOutput(80)
    output.add(b"a" * 80)
    assert (output.content(), output.truncated) == (b"a" * 80, False)


def test_line_without_end_is_not_hoarded() -> None:
    """A line that never ends is cut, and the next one is complete."""
    passed_on: list[str] = []
    lines = LineSplitter(passed_on.append)
    for chunk in (b"x" * 200_000, b"y" * 200_000, b"\nnext\n"):
        lines.add(chunk)
    assert len(passed_on[0]) <= 2 * 65_536
    assert passed_on[1] == "next"
