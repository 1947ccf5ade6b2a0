"""Notices that a test stands still, and asks the network then, once: a line that comes back later is still caught.

A test that stands still is no measurement any more, so a process that asks does not disturb it.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.collect.counters import CounterLinks
    from monitor.engines.base import EngineProgress
    from netns.probe.findings import Findings

DEVICES_FILE = Path("/proc/thread-self/net/dev")

# A test stands still when fewer bytes than this came in so many seconds, and its engine shows no progress: on a link of
# its own there are still errors that the host reports, on a shared one the traffic of others.
STALL_S = 3.0

OWN_LINK_BYTES, SHARED_LINK_BYTES = 1000, 8000

_RECEIVED, _SENT = 0, 8  # columns of /proc/net/dev


class StallWatch:
    """Watches one test; `check` is called several times a second, and calls `ask` in a thread when it stands still."""

    def __init__(self, links: CounterLinks, ask: Callable[[], Findings | None]) -> None:
        self._link = links.test or links.uplink
        self._column = _SENT if links.test and links.mirrored else _RECEIVED
        self._limit = OWN_LINK_BYTES if links.test else SHARED_LINK_BYTES
        self._ask = ask
        self._progress: EngineProgress | None = None
        self._moved_at: float | None = None
        self._bytes = 0
        self._thread: threading.Thread | None = None
        self._findings: Findings | None = None

    def follow(self, parse: Callable[[str], EngineProgress | None]) -> Callable[[str], EngineProgress | None]:
        """Return the function that parses progress, which then also counts as movement where it changes."""

        def parse_and_note(line: str) -> EngineProgress | None:
            progress = parse(line)
            if progress is not None and progress != self._progress:
                self._progress, self._moved_at = progress, None
            return progress

        return parse_and_note

    def check(self, now_s: float) -> None:
        """Look whether the test has moved; `now_s` is on the monotonic clock."""
        if self._thread is not None or self._link is None:
            return
        received = self._read_received()
        if received is None:
            return
        if self._moved_at is None or received - self._bytes >= self._limit:
            self._moved_at, self._bytes = now_s, received
        elif now_s - self._moved_at >= STALL_S:
            self._thread = threading.Thread(target=self._gather, daemon=True)
            self._thread.start()

    def finish(self) -> Findings | None:
        """Return what was found while the test stood still, None where it did not."""
        if self._thread is not None:
            self._thread.join()
        return self._findings

    def _gather(self) -> None:
        self._findings = self._ask()

    def _read_received(self) -> int | None:
        """Return the bytes that the test has received, with headers: acknowledgements count too."""
        try:
            text = DEVICES_FILE.read_text(encoding="ascii", errors="replace")
        except OSError:
            return None
        rows = (line.partition(":") for line in text.splitlines()[2:])
        return next(
            (int(counters.split()[self._column]) for name, _, counters in rows if name.strip() == self._link), None
        )
