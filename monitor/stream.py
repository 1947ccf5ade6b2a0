"""The output of a running child: keeps its first and last bytes, and splits it into lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK_BYTES = 64 * 1024


class Kept:
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


class Lines:
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
