"""Run one child with a deadline, in a process group of its own, keeping a bounded part of what it prints.

Nothing the child does can make `run` wait longer than its deadline and the graces below: not ignoring SIGTERM, not
closing its pipes, not leaving grandchildren that hold them open.
"""

from __future__ import annotations

import contextlib
import math
import os
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING

from monitor.interrupts import Interrupts
from monitor.stream import CHUNK_BYTES, Kept, Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

LIMIT_BYTES = 512 * 1024
# From SIGTERM to SIGKILL; short, for the Ookla CLI ignores SIGTERM when it is stuck.
TERM_GRACE_S = 0.5
# How long to read on after the child has ended, while something else holds its pipes open.
DRAIN_GRACE_S = 0.3
# How often to look for the end of the child where the kernel has no pidfd.
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Beat:
    """Something to do every so many seconds while a child runs; it must be quick."""

    do: Callable[[], None]
    every_s: float


@dataclass(frozen=True, slots=True)
class Ended:
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


def run(  # noqa: PLR0913  all but argv by name, and each its own thing
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    deadline_s: float,
    limit_bytes: int = LIMIT_BYTES,
    on_line: Callable[[str], None] | None = None,
    beat: Beat | None = None,
    interrupts: Interrupts | None = None,
) -> Ended:
    """Run `argv` to its end, its deadline or a caught signal, and end its whole process group.

    Args:
        argv: the command, never a shell's.
        env: the whole environment of the child.
        deadline_s: seconds after which the group is ended.
        limit_bytes: how much of each stream is kept: its first eighth and its end.
        on_line: called with each whole line of stdout as it comes.
        beat: what to do at a steady pace while it runs.
        interrupts: signals that end the test; None: none are watched.

    Returns:
        How it ended; a command that cannot be executed is a result too (`exec_errno`), not an exception.
    """
    interrupts = interrupts or Interrupts()
    begun = time.monotonic()
    if interrupts.signal is not None:
        return Ended(interrupted=interrupts.signal)
    try:
        popen = _start(argv, env)
    except OSError as error:
        return Ended(exec_errno=error.errno, elapsed_s=time.monotonic() - begun)
    child = _Child(popen, limit_bytes, on_line, beat, interrupts)
    try:
        timed_out, interrupted = child.see_out(begun + deadline_s)
    finally:
        child.close()
    return child.ended(timed_out=timed_out, interrupted=interrupted, elapsed_s=time.monotonic() - begun)


def _start(argv: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(env),
        cwd="/",
        start_new_session=True,
    )


class _Child:
    """A running child, its pipes and the selector that waits for all of them."""

    def __init__(
        self,
        popen: subprocess.Popen[bytes],
        limit: int,
        on_line: Callable[[str], None] | None,
        beat: Beat | None,
        interrupts: Interrupts,
    ) -> None:
        self._popen = popen
        self._beat = beat
        self._next_beat = time.monotonic()
        self._interrupts = interrupts
        self._lines = Lines(on_line)
        self.stdout = Kept(limit)
        self.stderr = Kept(limit)
        self._selector = selectors.DefaultSelector()
        self._open_pipes = 0
        self._pidfd = _pidfd(popen.pid)
        self._watch_pipes()
        for fd in (self._pidfd, interrupts.fileno()):
            if fd is not None:
                self._selector.register(fd, selectors.EVENT_READ)

    def see_out(self, deadline: float) -> tuple[bool, int | None]:
        """Wait for the end, or bring it about; return whether the deadline passed, and the signal that was caught."""
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

    def close(self) -> None:
        """Kill what is left of the group, then reap: until then the zombie keeps the group's number from reuse."""
        self._signal_group(signal.SIGKILL)
        self._forget_pidfd()
        self._selector.close()
        for pipe in (self._popen.stdout, self._popen.stderr):
            if pipe is not None:
                pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(TERM_GRACE_S)

    def ended(self, *, timed_out: bool, interrupted: int | None, elapsed_s: float) -> Ended:
        """Return how it ended; after `close`."""
        code = self._popen.returncode
        # content() trims, and only then is `truncated` final.
        stdout, stderr = self.stdout.content(), self.stderr.content()
        return Ended(
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
        for pipe, takers in (
            (self._popen.stdout, (self.stdout.add, self._lines.add)),
            (self._popen.stderr, (self.stderr.add,)),
        ):
            if pipe is not None:
                self._open_pipes += 1
                self._selector.register(pipe, selectors.EVENT_READ, partial(self._read, pipe, takers))

    def _read(self, pipe: IO[bytes], takers: tuple[Callable[[bytes], None], ...]) -> None:
        chunk = os.read(pipe.fileno(), CHUNK_BYTES)
        if not chunk:
            self._selector.unregister(pipe)
            self._open_pipes -= 1
        for take in takers:
            take(chunk)

    def _watch(self, until: float, *, stop_on_interrupt: bool = False) -> None:
        while not self._exited() and (left := until - time.monotonic()) > 0:
            if stop_on_interrupt and self._interrupts.signal is not None:
                return
            self._turn(min(left, self._keep_time(), math.inf if self._pidfd is not None else POLL_S))

    def _keep_time(self) -> float:
        """Beat if it is time to; return how many seconds there are to the next one."""
        if self._beat is None:
            return math.inf
        now = time.monotonic()
        if now >= self._next_beat:
            self._beat.do()
            # A beat that comes late does not hurry those after it.
            self._next_beat = max(self._next_beat + self._beat.every_s, now)
        return self._next_beat - now

    def _drain(self, until: float) -> None:
        # The pidfd of an ended child stays readable and would make every turn return at once.
        self._forget_pidfd()
        while self._open_pipes and (left := until - time.monotonic()) > 0:
            self._turn(left)

    def _turn(self, timeout: float) -> None:
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
        """Say whether the child has ended; it is not reaped yet."""
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._popen.pid, options) is not None

    def _signal_group(self, number: signal.Signals) -> None:
        # Nobody left, or a member that changed its user: both are none of ours any more.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, number)


def _pidfd(pid: int) -> int | None:
    """Return a descriptor that becomes readable when the child ends; None where the kernel or a sandbox has none."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None
