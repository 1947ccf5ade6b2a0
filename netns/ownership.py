"""Pure: what is ours, and what of somebody else's stands in the way of a set-up. Each refusal names it and the mend."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

from netns.errors import ForeignStateError, NoUplinkError, SpecError
from netns.model import Handle
from netns.routing import EVERYWHERE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netns.model import Journal, Link, NamespaceSpec, Observed, Uplink

SHORTEST_PREFIX = 8


def need_uplink(spec: NamespaceSpec, seen: Observed) -> Uplink:
    """Return the uplink.

    Raises:
        SpecError: the interface that was named is not there, or the router that was named is not on it.
        NoUplinkError: none was named, and the host has no IPv4 default route; or no router is known on the one named.
    """
    if seen.uplink is not None:
        _need_way(spec, seen.uplink)
        return seen.uplink
    if spec.uplink:
        raise SpecError(f"there is no interface {spec.uplink!r} to be the uplink; `ip link` lists them")
    raise NoUplinkError(
        "the host has no IPv4 default route, so there is no uplink; connect it or name one with --uplink"
    )


def _need_way(spec: NamespaceSpec, uplink: Uplink) -> None:
    if not uplink.leads_out:
        raise NoUplinkError(
            f"no router is known on {uplink.link}: it has no IPv4 default route in any table;"
            " connect it or name its router with --router ADDRESS"
        )
    near = [network for network, _ in uplink.routes or () if network != EVERYWHERE]
    if spec.router and not any(IPv4Address(spec.router) in IPv4Network(network) for network in near):
        raise SpecError(
            f"router {spec.router} is in no network of {uplink.link} ({', '.join(near) or 'it has none'});"
            f" `ip route show dev {uplink.link}` lists them"
        )


def refuse_foreign(spec: NamespaceSpec, seen: Observed, journal: Journal) -> None:
    """Refuse a link, a namespace or a program that has one of our names and is not ours.

    Raises:
        ForeignStateError: naming it and the mend.
    """
    if seen.host_link and not is_ours(spec, seen, journal):
        raise ForeignStateError(
            f"the interface {spec.host_link} is there and is not speedmon's;"
            f" remove it (ip link delete {spec.host_link}) or choose another --name"
        )
    refuse_foreign_namespace(spec, seen, journal)
    if spec.launcher and seen.launcher.present and not seen.launcher.ours:
        raise ForeignStateError(
            f"{spec.launcher_path} is there and is not speedmon's launcher; move it away or use --no-launcher"
        )


def refuse_foreign_namespace(spec: NamespaceSpec, seen: Observed, journal: Journal) -> None:
    """Refuse a namespace that has our name and is not ours.

    Raises:
        ForeignStateError: naming it and the mend.
    """
    if seen.handle is Handle.LIVE and seen.host_link is None and journal.boot_id != seen.boot_id:
        raise ForeignStateError(
            f"the namespace {spec.name} is there and is not speedmon's;"
            f" remove it (ip netns delete {spec.name}) or choose another --name"
        )


def refuse_overlap(spec: NamespaceSpec, seen: Observed) -> None:
    """Refuse a subnet that the host already uses.

    Raises:
        SpecError: naming what it overlaps and a subnet that is free.
    """
    where = next((where for network, where in seen.networks if _overlap(network, spec.subnet)), None)
    if where is None:
        return
    taken = [network for network, _ in seen.networks]
    free = (
        f", such as --subnet {subnet}"
        for subnet in _candidates()
        if not any(_overlap(network, subnet) for network in taken)
    )
    raise SpecError(f"subnet {spec.subnet} overlaps {where}; use another{next(free, '')}")


def is_ours(spec: NamespaceSpec, seen: Observed, journal: Journal) -> bool:
    """Tell our link by its mark, or, where a kill came between a pair and its mark, by where its other end is."""
    host, inner = seen.host_link, seen.inner_link
    if host is None or host.alias is not None:
        return host is not None and host.alias == spec.alias
    return inner is not None and are_joined(host, inner) and journal.boot_id == seen.boot_id


def are_joined(host: Link, inner: Link) -> bool:
    """Tell whether two links are the ends of one pair."""
    return host.peer_index == inner.index and inner.peer_index == host.index


def _overlap(network: IPv4Network, other: IPv4Network) -> bool:
    # Shorter prefixes than 10.0.0.0/8 are not networks but parts of a default route, as VPNs make them.
    return network.prefixlen >= SHORTEST_PREFIX and network.overlaps(other)


def _candidates() -> Iterator[IPv4Network]:
    for third in range(200, 255):
        yield IPv4Network(f"192.168.{third}.0/24")
    for second in range(200, 255):
        yield IPv4Network(f"10.{second}.200.0/24")
    yield IPv4Network("100.127.200.0/24")
