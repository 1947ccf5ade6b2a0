"""Pure: what is ours, and what belongs to others and prevents a set-up. Each refusal names it and the fix."""

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


def need_uplink(spec: NamespaceSpec, observed: Observed) -> Uplink:
    """Return the uplink.

    Raises:
        SpecError: there is no interface of the given name, or the given router is not on it.
        NoUplinkError: no name was given and the host has no IPv4 default route; or no router is known on the interface.
    """
    if observed.uplink is not None:
        _need_way(spec, observed.uplink)
        return observed.uplink
    if spec.uplink:
        raise SpecError(f"the uplink {spec.uplink!r} does not exist; `ip link` lists the interfaces")
    raise NoUplinkError(
        "the host has no IPv4 default route, so there is no uplink; connect it or choose one with --uplink"
    )


def _need_way(spec: NamespaceSpec, uplink: Uplink) -> None:
    if not uplink.leads_out:
        raise NoUplinkError(
            f"no router is known on {uplink.link}: it has no IPv4 default route in any table;"
            " connect it or give its router with --router ADDRESS"
        )
    on_link = [network for network, _ in uplink.routes or () if network != EVERYWHERE]
    if spec.router and not any(IPv4Address(spec.router) in IPv4Network(network) for network in on_link):
        raise SpecError(
            f"router {spec.router} is in no network of {uplink.link} ({', '.join(on_link) or 'it has none'});"
            f" `ip route show dev {uplink.link}` lists them"
        )


def refuse_foreign(spec: NamespaceSpec, observed: Observed, journal: Journal) -> None:
    """Refuse a link, a namespace or a program that has one of our names but is not ours.

    Raises:
        ForeignStateError: names it and the fix.
    """
    if observed.host_link and not is_ours(spec, observed, journal):
        raise ForeignStateError(
            f"the interface {spec.host_link} exists but is not speedmon's;"
            f" remove it (ip link delete {spec.host_link}) or choose another --name"
        )
    refuse_foreign_namespace(spec, observed, journal)
    if spec.launcher and observed.launcher.present and not observed.launcher.ours:
        raise ForeignStateError(
            f"{spec.launcher_path} exists but is not speedmon's launcher; move it away or use --no-launcher"
        )


def refuse_foreign_namespace(spec: NamespaceSpec, observed: Observed, journal: Journal) -> None:
    """Refuse a namespace that has our name but is not ours.

    Raises:
        ForeignStateError: names it and the fix.
    """
    if observed.handle is Handle.LIVE and observed.host_link is None and journal.boot_id != observed.boot_id:
        raise ForeignStateError(
            f"the namespace {spec.name} exists but is not speedmon's;"
            f" remove it (ip netns delete {spec.name}) or choose another --name"
        )


def refuse_overlap(spec: NamespaceSpec, observed: Observed) -> None:
    """Refuse a subnet that the host already uses.

    Raises:
        SpecError: names what it overlaps and a subnet that is free.
    """
    source = next((source for network, source in observed.networks if _overlap(network, spec.subnet)), None)
    if source is None:
        return
    used = [network for network, _ in observed.networks]
    free = (
        f", such as --subnet {subnet}"
        for subnet in _candidates()
        if not any(_overlap(network, subnet) for network in used)
    )
    raise SpecError(f"subnet {spec.subnet} overlaps {source}; use another{next(free, '')}")


def is_ours(spec: NamespaceSpec, observed: Observed, journal: Journal) -> bool:
    """Recognise our link by its alias or, if a kill came between its creation and its alias, by its other end."""
    host, inner = observed.host_link, observed.inner_link
    if host is None or host.alias is not None:
        return host is not None and host.alias == spec.alias
    return inner is not None and are_joined(host, inner) and journal.boot_id == observed.boot_id


def are_joined(host: Link, inner: Link) -> bool:
    """Return whether two links are the ends of one veth pair."""
    return host.peer_index == inner.index and inner.peer_index == host.index


def _overlap(network: IPv4Network, other: IPv4Network) -> bool:
    # Prefixes shorter than /8 are not networks but parts of a default route, as VPNs add them.
    return network.prefixlen >= SHORTEST_PREFIX and network.overlaps(other)


def _candidates() -> Iterator[IPv4Network]:
    for third in range(200, 255):
        yield IPv4Network(f"192.168.{third}.0/24")
    for second in range(200, 255):
        yield IPv4Network(f"10.{second}.200.0/24")
    yield IPv4Network("100.127.200.0/24")
