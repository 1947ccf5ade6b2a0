"""Runs one child process with a deadline, in a process group of its own, keeping a bounded part of its output.

Nothing that the child does can make `run` wait longer than its deadline and the grace periods below: neither ignoring
SIGTERM, nor keeping its pipes open, nor leaving grandchildren that hold them open.
"""

from __future__ import annotations

import contextlib
import math
import os
import selectors
import signal
import subprocess
import time
import warnings
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING

from monitor.system import confinement
from monitor.system.signals import Interrupts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from monitor.system.confinement import Confinement


LIMIT_BYTES = 512 * 1024

# From SIGTERM to SIGKILL; short, because the Ookla CLI ignores SIGTERM when it hangs.
TERM_GRACE_S = 0.5

# How long to keep reading after the child has ended, while another process holds its pipes open.
DRAIN_GRACE_S = 0.3

# How often to look for the end of the child where the kernel has no pidfd.
POLL_S = 0.05

CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class PeriodicTask:
    """An action to repeat every `interval_s` seconds while a child runs; it must be quick."""

    action: Callable[[], None]
    interval_s: float


@dataclass(frozen=True, slots=True)
class ProcessResult:
    """How a child ended. One of `exit_code`, `signal` and `exec_errno` is set, unless it could not even be killed."""

    exit_code: int | None = None
    signal: int | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    timed_out: bool = False
    interrupted: int | None = None
    truncated: bool = False
    elapsed_s: float = 0.0
    exec_errno: int | None = None


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """How the output of a child is handled, and what is done while it runs.

    Attributes:
        limit_bytes: how much of each stream is kept: its first eighth and its end.
        on_line: called with each complete line of stdout as it comes.
        periodic: what to repeat while the child runs.
    """

    limit_bytes: int = LIMIT_BYTES
    on_line: Callable[[str], None] | None = None
    periodic: PeriodicTask | None = None


_KEEP_ONLY = OutputOptions()


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    deadline_s: float,
    output: OutputOptions = _KEEP_ONLY,
    interrupts: Interrupts | None = None,
    confined: Confinement | None = None,
) -> ProcessResult:
    """Run `argv` to its end, its deadline or a caught signal, and end its whole process group.

    Args:
        argv: the command; no shell is involved.
        env: the complete environment of the child.
        deadline_s: seconds after which the group is killed.
        output: how its output is handled.
        interrupts: signals that end the child; None: none are watched.
        confined: how the program of somebody else is started; None: it is one of ours.

    Returns:
        How it ended; a command that cannot be executed is a result too (`exec_errno`), not an exception.
    """
    interrupts = interrupts or Interrupts()
    started = time.monotonic()
    if interrupts.signal is not None:
        return ProcessResult(interrupted=interrupts.signal)
    guarded = confined is not None and confined.guarded
    with confinement.orphans_killed() if guarded else contextlib.nullcontext(), contextlib.ExitStack() as stack:
        try:
            popen = _start(argv, env, confined)
            child = _Child(popen, output, interrupts)
            stack.callback(child.close)
            if confined and guarded:
                stack.enter_context(confinement.Guardian(popen.pid, child.output_descriptor, confined.locks))
        except OSError as error:
            return ProcessResult(exec_errno=error.errno, elapsed_s=time.monotonic() - started)
        timed_out, interrupted = child.wait_until_ended(started + deadline_s)
    return child.result(timed_out=timed_out, interrupted=interrupted, elapsed_s=time.monotonic() - started)


def _start(argv: Sequence[str], env: Mapping[str, str], confined: Confinement | None) -> subprocess.Popen[bytes]:
    with warnings.catch_warnings():
        # From 3.12 on Python warns of a fork beside threads; what runs before exec here makes nothing but system calls.
        warnings.simplefilter("ignore", DeprecationWarning)
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(env),
            cwd="/",
            start_new_session=True,
            preexec_fn=confined.before_exec() if confined else None,  # noqa: PLW1509  see above
        )


class _Child:
    """A running child, its pipes and the selector that waits for all of them."""

    def __init__(self, popen: subprocess.Popen[bytes], output: OutputOptions, interrupts: Interrupts) -> None:
        self._popen = popen
        self._periodic = output.periodic
        self._next_run = time.monotonic()
        self._interrupts = interrupts
        self._lines = LineSplitter(output.on_line)
        self.stdout = BoundedOutput(output.limit_bytes)
        self.stderr = BoundedOutput(output.limit_bytes)
        self._selector = selectors.DefaultSelector()
        self._open_pipes = 0
        self._pidfd = _pidfd(popen.pid)
        self._watch_pipes()
        for fd in (self._pidfd, interrupts.fileno()):
            if fd is not None:
                self._selector.register(fd, selectors.EVENT_READ)

    def wait_until_ended(self, deadline: float) -> tuple[bool, int | None]:
        """Wait for the end, or enforce it; return whether the deadline passed, and the signal that was caught."""
        self._watch(deadline, stop_on_interrupt=True)
        interrupted = self._interrupts.signal
        timed_out = interrupted is None and not self._exited()
        if not self._exited():
            self._signal_group(signal.SIGTERM)
            self._watch(time.monotonic() + TERM_GRACE_S)
        if not self._exited():
            self._signal_group(signal.SIGKILL)
            self._watch(time.monotonic() + TERM_GRACE_S)
        self._drain(time.monotonic() + DRAIN_GRACE_S)
        return timed_out, interrupted

    @property
    def output_descriptor(self) -> int:
        """The pipe that the child writes its stdout to."""
        assert self._popen.stdout is not None  # noqa: S101  a pipe was asked for
        return self._popen.stdout.fileno()

    def close(self) -> None:
        """Kill the rest of the group, then reap the child: its zombie has kept the group id from being reused."""
        self._signal_group(signal.SIGKILL)
        self._forget_pidfd()
        self._selector.close()
        for pipe in (self._popen.stdout, self._popen.stderr):
            if pipe is not None:
                pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(TERM_GRACE_S)

    def result(self, *, timed_out: bool, interrupted: int | None, elapsed_s: float) -> ProcessResult:
        """Return how it ended; after `close`."""
        code = self._popen.returncode
        # content() trims; `truncated` is final only after that.
        stdout, stderr = self.stdout.content(), self.stderr.content()
        return ProcessResult(
            exit_code=code if code is not None and code >= 0 else None,
            signal=-code if code is not None and code < 0 else None,
            stdout=stdout,
            stderr=stderr,
            timed_out=timed_out,
            interrupted=interrupted,
            truncated=self.stdout.truncated or self.stderr.truncated,
            elapsed_s=elapsed_s,
        )

    def _watch_pipes(self) -> None:
        for pipe, consumers in (
            (self._popen.stdout, (self.stdout.add, self._lines.add)),
            (self._popen.stderr, (self.stderr.add,)),
        ):
            if pipe is not None:
                self._open_pipes += 1
                self._selector.register(pipe, selectors.EVENT_READ, partial(self._read, pipe, consumers))

    def _read(self, pipe: IO[bytes], consumers: tuple[Callable[[bytes], None], ...]) -> None:
        chunk = os.read(pipe.fileno(), CHUNK_BYTES)
        if not chunk:
            self._selector.unregister(pipe)
            self._open_pipes -= 1
        for consume in consumers:
            consume(chunk)

    def _watch(self, until: float, *, stop_on_interrupt: bool = False) -> None:
        while not self._exited() and (remaining := until - time.monotonic()) > 0:
            if stop_on_interrupt and self._interrupts.signal is not None:
                return
            self._handle_events(
                min(remaining, self._run_periodic_task(), math.inf if self._pidfd is not None else POLL_S)
            )

    def _run_periodic_task(self) -> float:
        """Run the periodic action if it is due; return the seconds until it is due again."""
        if self._periodic is None:
            return math.inf
        now = time.monotonic()
        if now >= self._next_run:
            self._periodic.action()
            # One late run does not bring forward those after it.
            self._next_run = max(self._next_run + self._periodic.interval_s, now)
        return self._next_run - now

    def _drain(self, until: float) -> None:
        # The pidfd of an ended child stays readable and would make every select return at once.
        self._forget_pidfd()
        while self._open_pipes and (remaining := until - time.monotonic()) > 0:
            self._handle_events(remaining)

    def _handle_events(self, timeout: float) -> None:
        for key, _ in self._selector.select(timeout):
            if key.data is not None:
                key.data()
            elif key.fd != self._pidfd:
                self._interrupts.drain()

    def _forget_pidfd(self) -> None:
        if self._pidfd is not None:
            self._selector.unregister(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None

    def _exited(self) -> bool:
        """Whether the child has ended; it is not reaped yet."""
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._popen.pid, options) is not None

    def _signal_group(self, number: signal.Signals) -> None:
        # Nobody is left, or a member changed its user: neither is ours any more.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, number)


def _pidfd(pid: int) -> int | None:
    """Return a descriptor that becomes readable when the child ends; None where the kernel or a sandbox has none."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


class BoundedOutput:
    """The first and the last bytes of a stream, however long it is; the first are an eighth of the limit."""

    def __init__(self, limit: int) -> None:
        self._head_limit = limit // 8
        self._tail_limit = limit - self._head_limit
        self._head = bytearray()
        self._tail = bytearray()
        self.truncated = False

    def add(self, chunk: bytes) -> None:
        """Add a chunk that was read."""
        room = self._head_limit - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:]
        if len(self._tail) > 2 * self._tail_limit:
            self._trim()

    def content(self) -> bytes:
        """Return the kept bytes, with a line feed where some are missing."""
        self._trim()
        return bytes(self._head) + (b"\n" if self.truncated else b"") + bytes(self._tail)

    def _trim(self) -> None:
        if len(self._tail) > self._tail_limit:
            del self._tail[: -self._tail_limit]
            self.truncated = True


class LineSplitter:
    """Splits a stream into lines and passes on each complete one; of an endless line only the last bytes are kept."""

    def __init__(self, on_line: Callable[[str], None] | None) -> None:
        self._on_line = on_line
        self._incomplete = b""

    def add(self, chunk: bytes) -> None:
        """Add a chunk that was read."""
        if self._on_line is None:
            return
        *lines, incomplete = (self._incomplete + chunk).split(b"\n")
        self._incomplete = incomplete[-CHUNK_BYTES:]
        for line in lines:
            self._on_line(line.decode("utf-8", "replace"))
