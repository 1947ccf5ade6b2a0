"""The time that all steps of a look share: it ends early once something has answered over the line."""

from __future__ import annotations

import select
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

# From the start of a look to its end where nothing answers, where something has, and what each proof leaves the others.
SILENT_S, ANSWERED_S, GRACE_S = 2.8, 1.4, 0.6

# How often a waiting step looks whether the time is over.
SLICE_S = 0.05


class SharedDeadline:
    """The end of a look, which `answered` brings forward."""

    def __init__(self, silent_s: float = SILENT_S) -> None:
        self.started = time.monotonic()
        self._end = self.started + silent_s
        self._lock = threading.Lock()

    def answered(self) -> None:
        """Note that something answered over the line: what is still silent gets a short grace."""
        with self._lock:
            self._end = min(self._end, max(self.started + ANSWERED_S, time.monotonic() + GRACE_S))

    @property
    def left_s(self) -> float:
        """Seconds until the end, at least 0."""
        return max(0.0, self._end - time.monotonic())

    def wait(self, seconds: float) -> None:
        """Sleep so long, at most until the end."""
        until = time.monotonic() + seconds
        while (rest := min(until - time.monotonic(), self.left_s)) > 0:
            time.sleep(min(rest, SLICE_S))

    def readable(self, sockets: Sequence[socket.socket], *, seconds: float | None = None) -> bool:
        """Return whether one of the sockets can be read before `seconds` and the end are over."""
        return bool(self._select(sockets, (), seconds)[0])

    def writable(self, sockets: Sequence[socket.socket], *, seconds: float | None = None) -> list[socket.socket]:
        """Return the sockets that can be written to, as soon as there is one."""
        return self._select((), sockets, seconds)[1]

    def _select(
        self, reading: Sequence[socket.socket], writing: Sequence[socket.socket], seconds: float | None
    ) -> tuple[list[socket.socket], list[socket.socket]]:
        until = float("inf") if seconds is None else time.monotonic() + seconds
        while True:
            rest = min(until - time.monotonic(), self.left_s)
            readable, writable, _ = select.select(reading, writing, (), max(0.0, min(rest, SLICE_S)))
            if readable or writable or rest <= 0:
                return readable, writable
