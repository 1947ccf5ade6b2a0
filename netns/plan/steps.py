"""Steps on namespaces, links, addresses, routes, policy rules, sysctls and our nftables table, as pure data.

`netns.apply` carries them out. The `str` of a step is the equivalent shell command; its `undo` is the step that
reverses it, None if that happens with the removal of something else (a namespace, a link). `netns` is the namespace
that a step changes, None for the host.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import msgspec

from netns.state import DEFAULT_NETWORK, ROUTE_PROTOCOL, UnmarkedRule

if TYPE_CHECKING:
    from netns.state import PolicyRule, TableRoute

# The highest metric, so that every other route is preferred.
MAX_METRIC = 4_294_967_295


def _netns_option(netns: str | None) -> str:
    return f"-n {netns} " if netns else ""


def _exec_prefix(netns: str | None) -> str:
    return f"ip netns exec {netns} " if netns else ""


class Step(msgspec.Struct, frozen=True):
    """One change of the machine. A Struct, because creating two dozen dataclasses would take 15 ms."""

    @property
    def undo(self) -> Step | None:
        """The step that reverses this one, if one is needed."""
        return None

    @property
    def script(self) -> str:
        """The complete shell commands, where `str` abbreviates."""
        return str(self)


class CreateNamespace(Step, frozen=True):
    """Create a named network namespace."""

    name: str

    def __str__(self) -> str:
        return f"ip netns add {self.name}"

    @property
    def undo(self) -> Step | None:
        return DeleteNamespace(self.name)


class DeleteNamespace(Step, frozen=True):
    """Remove a named namespace, or the plain file that a crash left in its place."""

    name: str

    def __str__(self) -> str:
        return f"ip netns delete {self.name}"


class CreateVeth(Step, frozen=True):
    """Create a veth pair in one message: `link` in `netns`, `peer` in `peer_netns`."""

    link: str
    peer: str
    peer_netns: str
    mtu: int = 1500
    netns: str | None = None
    alias: str | None = None

    def __str__(self) -> str:
        return (
            f"ip {_netns_option(self.netns)}link add {self.link} mtu {self.mtu} type veth"
            f" peer name {self.peer} mtu {self.mtu} netns {self.peer_netns}"
        )

    @property
    def undo(self) -> Step:
        return DeleteLink(self.link, self.netns)


class DeleteLink(Step, frozen=True):
    """Remove a link; the other end of a veth pair is removed with it."""

    link: str
    netns: str | None = None

    def __str__(self) -> str:
        return f"ip {_netns_option(self.netns)}link delete {self.link}"


class SetMtu(Step, frozen=True):
    """Set the MTU of a link, in bytes."""

    link: str
    mtu: int
    netns: str | None = None

    def __str__(self) -> str:
        return f"ip {_netns_option(self.netns)}link set {self.link} mtu {self.mtu}"


class AddAddress(Step, frozen=True):
    """Add an address such as 192.168.200.1/24 to a link; duplicate detection is skipped for IPv6."""

    link: str
    address: str
    netns: str | None = None

    def __str__(self) -> str:
        return f"ip {_netns_option(self.netns)}address replace {self.address} dev {self.link}"


class SetLinkUp(Step, frozen=True):
    """Bring a link up."""

    link: str
    netns: str | None = None

    def __str__(self) -> str:
        return f"ip {_netns_option(self.netns)}link set {self.link} up"


class AddRoute(Step, frozen=True):
    """Add or replace a route; `destination` is a network or "default", the family is the gateway's."""

    destination: str
    gateway: str
    link: str
    netns: str | None = None

    def __str__(self) -> str:
        return f"ip {_netns_option(self.netns)}route replace {self.destination} via {self.gateway} dev {self.link}"


class SetSysctl(Step, frozen=True):
    """Write a sysctl; `key` is its path below /proc/sys, `previous` its former value (None: nothing to restore)."""

    key: str
    value: str
    netns: str | None = None
    previous: str | None = None

    def __str__(self) -> str:
        return f"{_exec_prefix(self.netns)}sysctl -w {shlex.quote(f'{self.key}={self.value}')}"

    @property
    def undo(self) -> Step | None:
        if self.previous is None:
            return None
        return SetSysctl(self.key, self.previous, self.netns)


class ShapeLink(Step, frozen=True):
    """Shape what a link sends with a token bucket (tc-tbf): rate in bit/s, bucket in bytes, longest queue in ms."""

    link: str
    rate_bps: int
    burst_bytes: int
    queue_ms: int
    netns: str | None = None

    def __str__(self) -> str:
        return (
            f"tc {_netns_option(self.netns)}qdisc replace dev {self.link} root tbf"
            f" rate {self.rate_bps}bit burst {self.burst_bytes} latency {self.queue_ms}ms"
        )


class LoadTable(Step, frozen=True):
    """Load our own nftables table, replacing its content in one transaction; the rules of others stay as they are."""

    name: str
    commands: tuple[dict[str, Any], ...]

    def __str__(self) -> str:
        return f"nft -j -f -  # table inet {self.name}: {len(self.commands)} commands in one transaction"

    @property
    def undo(self) -> Step:
        return DeleteTable(self.name)


class DeleteTable(Step, frozen=True):
    """Delete our own nftables table."""

    name: str

    def __str__(self) -> str:
        return f"nft delete table inet {self.name}"


class CopyTuning(Step, frozen=True):
    """Copy the host's TCP and UDP sysctls into a namespace: a new one has the kernel's defaults."""

    netns: str
    keys: tuple[str, ...]

    def __str__(self) -> str:
        return f"# copy {len(self.keys)} settings of TCP and UDP (net/ipv4/tcp_*, ...) from the host into {self.netns}"


def _format_route(route: TableRoute) -> str:
    network = "default" if route.network == DEFAULT_NETWORK else route.network
    suffix = f"table {route.table} proto {ROUTE_PROTOCOL}"
    if route.link is None:
        return f"unreachable {network} metric {MAX_METRIC} {suffix}"
    next_hop = f" via {route.router} dev {route.link} onlink" if route.router else f" dev {route.link}"
    return f"{network}{next_hop} {suffix}"


def _format_rule(rule: PolicyRule) -> str:
    source = f" from {rule.source}" if rule.source else ""
    unmarked = f" fwmark 0/{rule.mask:#x}" if isinstance(rule, UnmarkedRule) else ""
    return f"priority {rule.priority} iif {rule.link}{source}{unmarked} lookup {rule.table} protocol {rule.protocol}"


class AddTableRoute(Step, frozen=True):
    """Add a route to one of our tables."""

    route: TableRoute

    def __str__(self) -> str:
        return f"ip route add {_format_route(self.route)}"

    @property
    def undo(self) -> Step:
        return DeleteTableRoute(self.route)


class DeleteTableRoute(Step, frozen=True):
    """Remove a route from one of our tables, unless it was removed with its link."""

    route: TableRoute

    def __str__(self) -> str:
        return f"ip route delete {_format_route(self.route)}"

    @property
    def undo(self) -> Step:
        return AddTableRoute(self.route)


class AddPolicyRule(Step, frozen=True):
    """Add a policy rule that leads to one of our tables."""

    rule: PolicyRule

    def __str__(self) -> str:
        return f"ip rule add {_format_rule(self.rule)}"

    @property
    def undo(self) -> Step:
        return DeletePolicyRule(self.rule)


class DeletePolicyRule(Step, frozen=True):
    """Remove a policy rule that leads to one of our tables."""

    rule: PolicyRule

    def __str__(self) -> str:
        return f"ip rule delete {_format_rule(self.rule)}"

    @property
    def undo(self) -> Step:
        return AddPolicyRule(self.rule)
