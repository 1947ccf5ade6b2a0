"""The iptables rules of one namespace, as pure data in the format of iptables-restore(8); see also `netns.ruleset`.

Chains of our own, named after the namespace, and jumps to them at the head of the kernel's chains, so that no rule of
others behind them applies to its packets. Three rules serve as counters, found by their comments: `fwd_out`,
`left_host` (in nat, which comes last and sees only the first packet of a connection) and `ipv6_seen`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from netns.ruleset import Rules

REPLIES = "-m conntrack --ctstate RELATED,ESTABLISHED"
REJECT = "-j REJECT --reject-with icmp-admin-prohibited"
COUNTERS = ("ipv6_seen", "fwd_out", "left_host")
# The tables that get rules of ours: (IP version, name).
PLACES = ((4, "filter"), (6, "filter"), (4, "nat"))


class Chain(Struct, frozen=True):
    """A chain of ours, its rules, and the jumps to it: (chain of the kernel, match)."""

    name: str
    rules: tuple[str, ...]
    entrances: tuple[tuple[str, str], ...]


class Table(Struct, frozen=True):
    """Our chains in one table; `tag` marks the jumps, as it marks our rules in other firewalls."""

    version: int
    name: str
    tag: str
    chains: tuple[Chain, ...]

    def lines(self) -> list[str]:
        """Return the iptables-restore lines that create and fill the chains and insert the jumps at the head."""
        declarations = [f":{chain.name} - [0:0]" for chain in self.chains]
        rules = [f"-A {chain.name} {rule}" for chain in self.chains for rule in chain.rules]
        jumps = [
            f'-I {kernel_chain} 1 {match} -m comment --comment "{self.tag} {chain.name}" -j {chain.name}'
            for chain in self.chains
            for kernel_chain, match in chain.entrances
        ]
        return [*declarations, *rules, *jumps]


def prefix(tag: str) -> str:
    """Return the prefix of our chain names, such as `speedmon-ip4only-`; iptables allows 28 characters in a name."""
    return f"{tag.replace(':', '-')}-"


def tables(rules: Rules, tag: str, *, ipv6: bool) -> tuple[Table, ...]:
    """Return all tables, without those for IPv6 if `ipv6` is false."""
    contents = {
        (4, "filter"): (_out(rules), _in(rules), _host(rules), *([_guard(rules)] if rules.guard else [])),
        (6, "filter"): (_no_ipv6(rules),),
        (4, "nat"): (_nat(rules),),
    }
    return tuple(
        Table(version, name, tag, tuple(_named(chain, tag) for chain in contents[version, name]))
        for version, name in PLACES
        if version == 4 or ipv6  # noqa: PLR2004  the version of IP
    )


def _named(chain: Chain, tag: str) -> Chain:
    return Chain(prefix(tag) + chain.name, chain.rules, chain.entrances)


def _out(rules: Rules) -> Chain:
    """From the namespace to anywhere: its own addresses, the uplink, nothing else."""
    return Chain(
        "out",
        (
            f"! -s {rules.subnet} {_why('anti-spoof')} -j DROP",
            f"-o {rules.uplink} -m conntrack --ctstate NEW,RELATED,ESTABLISHED {_why('fwd_out')} -j ACCEPT",
            f"{_why('only via the uplink')} {REJECT}",
        ),
        (("FORWARD", f"-i {rules.host_link}"),),
    )


def _in(rules: Rules) -> Chain:
    """From anywhere to the namespace: replies only."""
    return Chain(
        "in",
        (f"-i {rules.uplink} {REPLIES} {_why('replies')} -j ACCEPT", f"{_why('no inbound')} -j DROP"),
        (("FORWARD", f"-o {rules.host_link}"),),
    )


def _host(rules: Rules) -> Chain:
    """From the namespace to the host itself: ping, replies, and the name servers that the namespace uses."""
    dns = [
        f"-d {server} -p {transport} --dport 53 {_why('dns')} -j ACCEPT"
        for server in rules.host_dns
        for transport in ("udp", "tcp")
    ]
    ping = "-p icmp --icmp-type echo-request -m limit --limit 20/second --limit-burst 20"
    return Chain(
        "host",
        (
            f"{REPLIES} {_why('replies')} -j ACCEPT",
            *dns,
            f"{ping} {_why('ping the gateway')} -j ACCEPT",
            f"{_why('no host services')} {REJECT}",
        ),
        (("INPUT", f"-i {rules.host_link}"),),
    )


def _guard(rules: Rules) -> Chain:
    """Drop packets that are forwarded only because of our setting; flows with DNAT by another program pass."""
    unknown_flows = "-m conntrack --ctstate NEW,INVALID,UNTRACKED -m conntrack ! --ctstate DNAT"
    return Chain(
        "guard",
        (f"{unknown_flows} {_why('not a router')} -j DROP",),
        (("FORWARD", f"-i {rules.uplink} ! -o {rules.host_link}"),),
    )


def _no_ipv6(rules: Rules) -> Chain:
    directions = (("FORWARD", "-i"), ("FORWARD", "-o"), ("INPUT", "-i"))
    entrances = tuple((kernel_chain, f"{direction} {rules.host_link}") for kernel_chain, direction in directions)
    return Chain("ipv6", (f"{_why('ipv6_seen')} -j DROP",), entrances)


def _nat(rules: Rules) -> Chain:
    entrances = (("POSTROUTING", f"-s {rules.subnet} -o {rules.uplink}"),)
    return Chain("nat", (f"{_why('left_host')} -j MASQUERADE",), entrances)


def _why(text: str) -> str:
    return f'-m comment --comment "{text}"'
