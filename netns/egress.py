"""Check that packets from inside leave this host: send one, and read two counters of our rules.

No reply is needed, and the packet goes no further than the router. `fwd_out` counts packets that our own rules accept,
before the other firewalls; `left_host` counts those that leave after all of them.
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

# An address reserved for documentation (RFC 5737) and the discard port (RFC 863).
TARGET = ("198.51.100.1", 9)
# The TTL: the host uses one hop, the router the other.
HOPS = 2
# A new veth pair may lose its first packet, and the kernel sends ARP requests once a second.
TRIES = 15
PAUSE_S = 0.1
# How often the counters must show a packet before the other firewalls and none after, until it counts as dropped.
LOOKS = 3


class Fate(Enum):
    """What happened to a packet: it left, our own table rejected it, or it was lost before or after our table."""

    LEFT = "left"
    REFUSED = "refused"
    LOST_BEFORE = "lost before"
    LOST_BEHIND = "lost behind"


def fate(netns: str, counters: Callable[[], Mapping[str, int]]) -> Fate:
    """Send packets from a namespace until it is clear what happens to them; `counters` reads the counters of its rules.

    Raises:
        StepError: the counters could not be listed.
    """
    before = counters()
    losses = 0
    with sender(netns) as udp_socket:
        for _ in range(TRIES):
            sent = send(udp_socket)
            now = counters()
            if now["left_host"] > before["left_host"]:
                return Fate.LEFT
            losses += now["fwd_out"] > before["fwd_out"]
            if not sent and not losses:
                return Fate.REFUSED
            if not sent or losses == LOOKS:
                return Fate.LOST_BEHIND
            time.sleep(PAUSE_S)
    return Fate.LOST_BEFORE


@contextlib.contextmanager
def sender(netns: str) -> Iterator[socket.socket]:
    """Yield a UDP socket inside the namespace, for `send`."""
    with joined(netns):
        udp_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with udp_socket:
        udp_socket.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, HOPS)
        yield udp_socket


def send(udp_socket: socket.socket) -> bool:
    """Send one packet; False if the kernel refuses: a firewall rejected the previous one, or there is no route."""
    try:
        udp_socket.connect(TARGET)
        udp_socket.send(b"")
    except OSError:
        return False
    return True
