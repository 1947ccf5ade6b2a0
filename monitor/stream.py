"""What is done with the bytes of a running child: keep the first and the last of them, hand on lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK_BYTES = 64 * 1024


class Kept:
    """The first and the last bytes of a stream, whatever its length."""

    def __init__(self, limit: int) -> None:
        self._head_limit = limit // 8
        self._tail_limit = limit - self._head_limit
        self._head = bytearray()
        self._tail = bytearray()
        self.truncated = False

    def add(self, chunk: bytes) -> None:
        """Take in what was read."""
        room = self._head_limit - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:]
        if len(self._tail) > 2 * self._tail_limit:
            self._trim()

    def content(self) -> bytes:
        """Return what was kept; where something is missing, a line ends."""
        self._trim()
        return bytes(self._head) + (b"\n" if self.truncated else b"") + bytes(self._tail)

    def _trim(self) -> None:
        if len(self._tail) > self._tail_limit:
            del self._tail[: -self._tail_limit]
            self.truncated = True


class Lines:
    """Cut a stream into lines and hand on each whole one; a line without an end is not kept beyond a limit."""

    def __init__(self, on_line: Callable[[str], None] | None) -> None:
        self._on_line = on_line
        self._rest = b""

    def add(self, chunk: bytes) -> None:
        """Take in what was read."""
        if self._on_line is None:
            return
        *lines, rest = (self._rest + chunk).split(b"\n")
        self._rest = rest[-CHUNK_BYTES:]
        for line in lines:
            self._on_line(line.decode("utf-8", "replace"))
