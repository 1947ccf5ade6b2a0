"""Turns SIGINT, SIGTERM and SIGHUP into a flag and a readable descriptor, so that a test ends properly and is stored.

Handlers are installed for the duration of a `with` block, in the main thread only, and never where the caller ignores a
signal (`nohup`, a shell's background job).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import FrameType


WATCHED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Catches signals that ask this process to stop; `signal` is the first one, None until it comes.

    With `reloads`, SIGHUP asks to read the configuration again, unless the terminal of the process has gone.
    """

    def __init__(self, *, reloads: bool = False) -> None:
        self.signal: int | None = None
        self._must_reload = False
        self._reloads = reloads
        self._had_terminal = reloads and has_terminal()
        self._previous: dict[signal.Signals, Any] = {}
        self._pipe: tuple[int, int] | None = None
        self._previous_wakeup = -1

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            return self
        self._pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        # Without a wakeup descriptor a signal that comes just before a wait would be noticed only after it.
        self._previous_wakeup = signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
        for number in WATCHED_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._remember)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        if self._pipe is not None:
            signal.set_wakeup_fd(self._previous_wakeup)
            for fd in self._pipe:
                os.close(fd)
        self._previous, self._pipe = {}, None

    def fileno(self) -> int | None:
        """Return the descriptor that becomes readable when a signal comes, None when none are watched."""
        return self._pipe[0] if self._pipe else None

    def drain(self) -> None:
        """Empty the descriptor; `signal` stays."""
        if self._pipe is not None:
            with contextlib.suppress(BlockingIOError):
                os.read(self._pipe[0], 512)

    def wait(self, seconds: float) -> bool:
        """Wait for so many seconds or until a signal comes; return True if none has come."""
        end = time.monotonic() + seconds
        watched = [self._pipe[0]] if self._pipe else []
        while self.signal is None and (remaining := end - time.monotonic()) > 0:
            select.select(watched, [], [], remaining)
            self.drain()
        return self.signal is None

    def take_reload(self) -> bool:
        """Return whether the configuration is to be read again, since the last call."""
        must_reload, self._must_reload = self._must_reload, False
        return must_reload

    def _remember(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP and self._reloads and has_terminal() == self._had_terminal:
            self._must_reload = True
            return
        self.signal = self.signal or number


def has_terminal() -> bool:
    """Return whether this process has a controlling terminal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
