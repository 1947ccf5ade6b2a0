"""Prove that packets from inside leave this host: send one, and read the two counters of our rules that it passes.

Nothing has to answer, and nothing beyond the router hears it. `fwd_out` counts what our own rules have let out, ahead
of the other firewalls, `left_host` what came out behind them all.
"""

from __future__ import annotations

import contextlib
import socket
import time
from enum import Enum
from typing import TYPE_CHECKING

from netns.join import joined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# An address for documentation (RFC 5737) and the port that discards (RFC 863).
TARGET = ("198.51.100.1", 9)
# The host takes one hop, the router the other.
HOPS = 2
# A new pair of links may lose its first packet, and the kernel asks for the gateway's address once a second.
TRIES = 15
PAUSE_S = 0.1
# Looks at the counters with a packet before the other firewalls and none behind them, until it counts as dropped.
LOOKS = 3


class Fate(Enum):
    """What became of a probe: it left, our own table refused it, or it was lost ahead of our table or behind it."""

    LEFT = "left"
    REFUSED = "refused"
    LOST_BEFORE = "lost before"
    LOST_BEHIND = "lost behind"


def fate(netns: str, counters: Callable[[], Mapping[str, int]]) -> Fate:
    """Send probes from a namespace until it is known what becomes of them; `counters` reads those of its rules.

    Raises:
        StepError: the counters could not be listed.
    """
    before = counters()
    looks = 0
    with sender(netns) as probe:
        for _ in range(TRIES):
            sent = send(probe)
            now = counters()
            if now["left_host"] > before["left_host"]:
                return Fate.LEFT
            looks += now["fwd_out"] > before["fwd_out"]
            if not sent and not looks:
                return Fate.REFUSED
            if not sent or looks == LOOKS:
                return Fate.LOST_BEHIND
            time.sleep(PAUSE_S)
    return Fate.LOST_BEFORE


@contextlib.contextmanager
def sender(netns: str) -> Iterator[socket.socket]:
    """Yield a socket inside, for `send`."""
    with joined(netns):
        probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with probe:
        probe.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, HOPS)
        yield probe


def send(probe: socket.socket) -> bool:
    """Send one probe; False when the kernel refuses: a firewall rejected the one before, or there is no route."""
    try:
        probe.connect(TARGET)
        probe.send(b"")
    except OSError:
        return False
    return True
