"""The kernel's byte counters: of the link that a test goes through, and of the uplink that it shares with others.

Both are read from /proc/net/dev at once (proc(5)). A veth counts a large segment as one packet, a network card counts
the packets that it is split into; so headers are subtracted, and only payload is compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.model import Path as TestPath
from netns.handle import is_entered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.settings import Namespace

DEVICES = Path("/proc/thread-self/net/dev")
ROUTES = Path("/proc/thread-self/net/route")
# Time between readings while a test runs.
INTERVAL_MS = 250
# Bytes of a packet besides payload: Ethernet 14, IPv4 20, TCP 20, TCP timestamps 12.
HEADERS = 66
_SENT = 8  # the first column of the counters of what was sent, which follow those of what was received


@dataclass(frozen=True, slots=True)
class Traffic:
    """Payload in bytes since the link was created, as seen by the test: `received` is what it downloads."""

    received: int = 0
    sent: int = 0


@dataclass(frozen=True, slots=True)
class Links:
    """The links whose counters show a test's traffic.

    `test` is the link that only the test uses, None where the test shares the uplink; `mirrored` if it is the host's
    end of it, which receives what the test sends. `uplink` is None where its counters cannot be read.
    """

    test: str | None
    mirrored: bool = False
    uplink: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """The counters at one time, `at_s` on the monotonic clock; None where there is no such link."""

    at_s: float
    test: Traffic | None
    uplink: Traffic | None


def links(path: TestPath, namespace: Namespace) -> Links:
    """Return the links of a test on a path; inside the namespace the uplink cannot be read."""
    if path is TestPath.HOST:
        return Links(None, uplink=default_link(_text(ROUTES), f"{namespace.name}-root"))
    if is_entered(namespace.name):
        return Links(f"{namespace.name}-ns")
    own = f"{namespace.name}-root"
    pinned = None if namespace.uplink == "auto" else namespace.uplink
    return Links(own, mirrored=True, uplink=pinned or default_link(_text(ROUTES), own))


def read(watched: Links, now_s: float) -> Reading:
    """Return the counters now."""
    traffic = parse(_text(DEVICES))
    test = traffic.get(watched.test) if watched.test else None
    if test and watched.mirrored:
        test = Traffic(test.sent, test.received)
    return Reading(now_s, test, traffic.get(watched.uplink) if watched.uplink else None)


def parse(text: str) -> Mapping[str, Traffic]:
    """Return each link's payload from the text of /proc/net/dev: two header lines, then `NAME: COUNTERS`."""
    rows = (line.partition(":") for line in text.splitlines()[2:])
    return {name.strip(): _traffic([int(word) for word in counters.split()]) for name, _, counters in rows}


def default_link(text: str, own_link: str) -> str | None:
    """Return the link of the best default route, except one over `own_link`; None where there is none.

    `text` is that of /proc/net/route (proc(5)).
    """
    rows = (line.split() for line in text.splitlines()[1:])
    defaults = [(int(row[6]), row[0]) for row in rows if row[1] == row[7] == "00000000" and row[0] != own_link]
    return min(defaults)[1] if defaults else None


def _traffic(counters: list[int]) -> Traffic:
    return Traffic(_payload(*counters[:2]), _payload(*counters[_SENT : _SENT + 2]))


def _payload(total: int, packets: int) -> int:
    return max(0, total - HEADERS * packets)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
