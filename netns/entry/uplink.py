"""Whether packets from inside still leave by the uplink that was set up, according to the kernel. Nothing is sent.

Part of the light check before each test: it needs no privilege, and imports neither `netns.state` nor
`netns.kernel.network` (10 ms) unless something is wrong. A line that is down is not a problem of the namespace: the
test then fails and is recorded.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

import msgspec

from netns.kernel import netlink

# The file of `netns.journal`, which is read here without importing its models.
JOURNAL_FILE = "/var/lib/speedmon-netns-{}.json"
_OIF = 4  # RTA_OIF of linux/rtnetlink.h
_LOCAL = 2  # IFA_LOCAL of linux/if_addr.h


def find_uplink_problems(name: str, link: str) -> list[str]:
    """Return what is wrong with the route out of namespace `name`, one phrase per problem; `link` is its host end."""
    journal = _read_journal(name)
    uplink = journal.get("uplink")
    try:
        exit_link = _find_exit_link(socket.if_nametoindex(link))
    except OSError:  # a hardened service may not use netlink; then the test itself shows it
        return []
    if exit_link is None:
        return _find_lost_route(uplink) if uplink and journal.get("route_table") else []
    if uplink not in {None, exit_link}:
        return [f"packets from inside would leave by {exit_link}, but the namespace was set up for uplink {uplink}"]
    return [] if _forwards_ipv4(exit_link) else [f"uplink {exit_link} does not forward IPv4"]


def find_current_uplink(own_link: str | None) -> str | None:
    """Return the interface by which a packet would leave the host now; None where there is none.

    Args:
        own_link: the host's end of our link, for a packet from inside the namespace; None for one of the host itself.

    Raises:
        OSError: there is no such link, or this process may not use netlink.
    """
    if own_link is not None:
        return _find_exit_link(socket.if_nametoindex(own_link))
    return _find_exit(netlink.find_route(netlink.INTERNET_ADDRESS))


def is_chosen(name: str, link: str) -> bool:
    """Return whether the namespace was set up for that uplink in particular, with --uplink."""
    journal = _read_journal(name)
    return bool(journal.get("route_table")) and journal.get("uplink") == link


def read_uplink(name: str) -> str | None:
    """Return the uplink that namespace `name` was set up for; None where that was left to the default route."""
    uplink = _read_journal(name).get("uplink")
    return uplink if isinstance(uplink, str) else None


def _read_journal(name: str) -> dict[str, Any]:
    try:
        with open(JOURNAL_FILE.format(name), "rb") as file:
            journal: dict[str, Any] = msgspec.json.decode(file.read(), type=dict)
    except (OSError, msgspec.DecodeError):
        return {}
    return journal


def _find_exit_link(index: int) -> str | None:
    """Return the link by which a packet from inside, received on link `index`, would leave; None for none."""
    addresses = netlink.dump_objects(netlink.GETADDR, None, socket.AF_INET)
    gateway = next((message.attributes[_LOCAL] for message in addresses if message.fixed[4] == index), None)
    if gateway is None:
        return None
    source = struct.pack("!I", struct.unpack("!I", gateway)[0] + 1)  # the namespace's address is the next one
    return _find_exit(netlink.find_route(netlink.INTERNET_ADDRESS, socket.inet_ntoa(source), index))


def _find_exit(route: netlink.NetlinkMessage | None) -> str | None:
    exit_index = route.attributes.get(_OIF) if route else None
    return socket.if_indextoname(struct.unpack("=i", exit_index)[0]) if exit_index else None


def _find_lost_route(uplink: str) -> list[str]:
    """Return a problem if the uplink is up, but the namespace's own table has lost its route to it."""
    from netns.kernel import network  # noqa: PLC0415  only when something is wrong

    host_network = network.read_network(None)
    pinned = network.find_pinned_uplink(host_network, uplink)
    if pinned is None or not host_network.links[uplink].up or not pinned.leads_out:
        return []
    return [f"packets from inside do not reach the uplink {uplink}, although it is up"]


def _forwards_ipv4(link: str) -> bool:
    with open(f"/proc/sys/net/ipv4/conf/{link}/forwarding", encoding="ascii") as file:
        return file.read().strip() == "1"
