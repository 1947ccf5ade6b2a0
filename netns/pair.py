"""Pure: plans the veth pair between host and namespace: the steps that create or repair it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from netns import ownership, steps

if TYPE_CHECKING:
    from netns.model import NamespaceSpec, Observed, Uplink
    from netns.steps import Step

IPV6_SWITCH = "net/ipv6/conf/{}/disable_ipv6"


def setup(spec: NamespaceSpec, observed: Observed, uplink: Uplink) -> list[Step]:
    """Plan what the pair lacks; a pair that is wrong in another way is removed and created anew."""
    if not is_whole(spec, observed):
        return [*_remove_halves(spec, observed), *_new(spec, observed, uplink)]
    host, inner = observed.host_link, observed.inner_link
    if host is None or inner is None:
        return []
    return [
        *([steps.SetMtu(spec.host_link, uplink.mtu)] if host.mtu != uplink.mtu else []),
        *([steps.SetMtu(spec.inner_link, uplink.mtu, spec.name)] if inner.mtu != uplink.mtu else []),
        *_no_ipv6_on_links(spec, observed),
        *([steps.AddAddress(spec.host_link, spec.gateway)] if spec.gateway not in host.addresses else []),
        *([steps.SetLinkUp(spec.host_link)] if not host.up else []),
        *([steps.SetLinkUp("lo", spec.name)] if not observed.loopback_up else []),
        *([steps.AddAddress(spec.inner_link, spec.address, spec.name)] if spec.address not in inner.addresses else []),
        *([steps.SetLinkUp(spec.inner_link, spec.name)] if not inner.up else []),
        *([_default_route(spec)] if not observed.default_routes or not inner.up else []),
    ]


def is_whole(spec: NamespaceSpec, observed: Observed) -> bool:
    """Return whether the two ends are one pair with no addresses or routes except ours."""
    host, inner = observed.host_link, observed.inner_link
    if host is None or inner is None or not ownership.are_joined(host, inner) or host.alias != spec.alias:
        return False
    route = (str(spec.subnet[1]), inner.index)
    return (
        host.addresses <= {spec.gateway}
        and inner.addresses <= {spec.address}
        and observed.default_routes in {(), (route,)}
    )


def _remove_halves(spec: NamespaceSpec, observed: Observed) -> list[Step]:
    host, inner = observed.host_link, observed.inner_link
    is_removed_with_it = host is not None and inner is not None and ownership.are_joined(host, inner)
    return [
        *([steps.DeleteLink(spec.host_link)] if host else []),
        *([steps.DeleteLink(spec.inner_link, spec.name)] if inner and not is_removed_with_it else []),
    ]


def _new(spec: NamespaceSpec, observed: Observed, uplink: Uplink) -> list[Step]:
    without_links = replace(
        observed,
        sysctls={location: value for location, value in observed.sysctls.items() if not _is_of_it(spec, location[1])},
    )
    return [
        steps.CreateVeth(spec.host_link, spec.inner_link, spec.name, uplink.mtu, alias=spec.alias),
        *_no_ipv6_on_links(spec, without_links),
        steps.AddAddress(spec.host_link, spec.gateway),
        steps.SetLinkUp(spec.host_link),
        steps.SetLinkUp("lo", spec.name),
        steps.AddAddress(spec.inner_link, spec.address, spec.name),
        steps.SetLinkUp(spec.inner_link, spec.name),
        _default_route(spec),
    ]


def _is_of_it(spec: NamespaceSpec, key: str) -> bool:
    return f"/{spec.host_link}/" in key or f"/{spec.inner_link}/" in key


def _no_ipv6_on_links(spec: NamespaceSpec, observed: Observed) -> list[Step]:
    link_ends = ((None, spec.host_link), (spec.name, spec.inner_link))
    return [
        steps.SetSysctl(IPV6_SWITCH.format(link), "1", netns)
        for netns, link in link_ends
        if has_ipv6(observed) and observed.sysctls.get((netns, IPV6_SWITCH.format(link))) != "1"
    ]


def _default_route(spec: NamespaceSpec) -> Step:
    return steps.AddRoute("default", str(spec.subnet[1]), spec.inner_link, spec.name)


def has_ipv6(observed: Observed) -> bool:
    """Return whether this kernel has IPv6 at all, and so a sysctl to disable it."""
    return (None, IPV6_SWITCH.format("all")) in observed.sysctls
