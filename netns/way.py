"""Whether packets from inside still leave by the uplink that was set up: the kernel is asked, and nothing is sent.

Part of the light check before each test: it needs no privilege, and imports neither `netns.model` nor `netns.network`
(10 ms) unless something is wrong. A line that is down is no fault of the namespace: such a test is to fail and to be
recorded.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

import msgspec

from netns import netlink

# What `netns.journal` keeps; read without the models that it needs to keep more.
JOURNAL = "/var/lib/speedmon-netns-{}.json"
_OIF = 4  # RTA_OIF of linux/rtnetlink.h
_LOCAL = 2  # IFA_LOCAL of linux/if_addr.h


def problems(name: str, link: str) -> list[str]:
    """Return what is wrong with the way out of namespace `name`, whose end on the host is `link`; one phrase each."""
    journal = _kept(name)
    uplink = journal.get("uplink")
    try:
        found = _way_out(socket.if_nametoindex(link))
    except OSError:  # a hardened service may not ask; then the test itself tells
        return []
    if found is None:
        return _lost(uplink) if uplink and journal.get("route_table") else []
    if uplink not in {None, found}:
        return [f"packets from inside would leave by {found}, and the uplink it was set up for is {uplink}"]
    return [] if _forwards(found) else [f"uplink {found} does not forward IPv4"]


def _kept(name: str) -> dict[str, Any]:
    try:
        with open(JOURNAL.format(name), "rb") as file:  # noqa: PTH123  light
            journal: dict[str, Any] = msgspec.json.decode(file.read(), type=dict)
    except (OSError, msgspec.DecodeError):
        return {}
    return journal


def _way_out(index: int) -> str | None:
    """Return the link by which a packet from inside, which comes in by link `index`, would leave; None for none."""
    addresses = netlink.dump(netlink.GETADDR, None, socket.AF_INET)
    gateway = next((message.attributes[_LOCAL] for message in addresses if message.fixed[4] == index), None)
    if gateway is None:
        return None
    source = struct.pack("!I", struct.unpack("!I", gateway)[0] + 1)  # the namespace's address is the next one
    answer = netlink.way_to(netlink.SOMEWHERE, socket.inet_ntoa(source), index)
    out = answer.attributes.get(_OIF) if answer else None
    return socket.if_indextoname(struct.unpack("=i", out)[0]) if out else None


def _lost(uplink: str) -> list[str]:
    """Tell a line that is down from one that is there while the namespace's own table has lost its route."""
    from netns import network  # noqa: PLC0415  only when something is wrong

    host_network = network.read(None)
    found = network.pinned(host_network, uplink)
    if found is None or not host_network.links[uplink].up or not found.leads_out:
        return []
    return [f"packets from inside do not get to the uplink {uplink}, which is there"]


def _forwards(link: str) -> bool:
    with open(f"/proc/sys/net/ipv4/conf/{link}/forwarding", encoding="ascii") as file:  # noqa: PTH123  light
        return file.read().strip() == "1"
