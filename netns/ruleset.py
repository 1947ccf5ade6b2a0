"""The nftables rules of one namespace, as pure data in JSON (libnftables-json(5)).

One table of our own: masquerading for the subnet only, new connections only from the namespace to the uplink, only
replies back, nothing of the host reachable except ping and its name servers, IPv6 dropped and counted. If the uplink
forwards only because of us, a guard rule keeps the host from becoming a router for others.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from msgspec import Struct

Expression = dict[str, Any]
Command = dict[str, Any]

COUNTER: Expression = {"counter": None}
DROP: Expression = {"drop": None}
ACCEPT: Expression = {"accept": None}
# With "administratively prohibited" a connection fails at once (EHOSTUNREACH) instead of timing out.
REJECT: Expression = {"reject": {"type": "icmpx", "expr": "admin-prohibited"}}
# Before iptables, ufw and Docker (0) and firewalld (+10).
EARLY = -10
# After every other postrouting chain: a packet that is counted here has left the host.
LAST = 300
SRCNAT = 100


class Rules(Struct, frozen=True):
    """What the rules depend on. `host_dns`: name servers on the host; `guard`: only we made the uplink forward."""

    table: str
    host_link: str
    subnet: str
    uplink: str
    host_dns: tuple[str, ...] = ()
    guard: bool = False


def commands(rules: Rules) -> tuple[Command, ...]:
    """Return one transaction that replaces our table: add, delete and add it, then its contents in order of use."""
    table = {"table": {"family": "inet", "name": rules.table}}
    return (
        {"add": table},
        {"delete": table},
        {"add": table},
        *_objects(rules),
        *_out(rules),
        *_in(rules),
        *_host(rules),
        *_hooks(rules),
    )


def first(commands: tuple[Command, ...]) -> tuple[Command, ...]:
    """Return the same transaction for a table that does not exist yet; it fails if it does.

    A transaction that deletes a table, even an empty one, takes the kernel three times as long.
    """
    table, _delete, _add, *contents = commands
    return {"create": table["add"]}, *contents


def digest(objects: object) -> str:
    """Return a short hash of rules or of a listing, without handles and counter values."""
    return hashlib.sha256(json.dumps(_plain(objects), sort_keys=True).encode()).hexdigest()[:16]


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items() if key not in {"handle", "packets", "bytes"}}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value if not (isinstance(inner, dict) and "metainfo" in inner)]
    return value


def _objects(rules: Rules) -> list[Command]:
    counters = [{"add": {"counter": _place(rules, name=name)}} for name in ("ipv6_seen", "fwd_out", "left_host")]
    uplinks = {"add": {"set": _place(rules, name="uplinks", type="ifname", elem=[rules.uplink])}}
    chains = [{"add": {"chain": _place(rules, name=name)}} for name in ("ns_out", "ns_in", "ns_host")]
    return [*counters, uplinks, *chains]


def _out(rules: Rules) -> list[Command]:
    """From the namespace to anywhere: IPv4, its own addresses, the uplink, nothing else."""
    states = _match(_ct("state"), {"set": ["new", "established", "related"]})
    return [
        _no_ipv6(rules, "ns_out"),
        _rule(
            rules,
            "ns_out",
            _match(_payload("ip", "saddr"), _prefix(rules.subnet), "!="),
            COUNTER,
            DROP,
            why="anti-spoof",
        ),
        _rule(rules, "ns_out", _match(_meta("oifname"), "@uplinks"), states, {"counter": "fwd_out"}, ACCEPT, why="out"),
        _rule(rules, "ns_out", COUNTER, REJECT, why="only via the uplink"),
    ]


def _in(rules: Rules) -> list[Command]:
    """From anywhere to the namespace: replies only."""
    states = _match(_ct("state"), {"set": ["established", "related"]})
    return [
        _no_ipv6(rules, "ns_in"),
        _rule(rules, "ns_in", _match(_meta("iifname"), "@uplinks"), states, COUNTER, ACCEPT, why="replies"),
        _rule(rules, "ns_in", COUNTER, DROP, why="no inbound"),
    ]


def _host(rules: Rules) -> list[Command]:
    """From the namespace to the host itself: ping, replies, and the name servers that the namespace uses."""
    dns = _match(_payload("th", "dport"), 53)
    transport = _match(_meta("l4proto"), {"set": ["tcp", "udp"]})
    ping = {"limit": {"rate": 20, "per": "second", "burst": 20}}
    return [
        _no_ipv6(rules, "ns_host"),
        _rule(rules, "ns_host", _match(_ct("state"), {"set": ["established", "related"]}), ACCEPT, why="replies"),
        *(
            _rule(rules, "ns_host", _match(_payload("ip", "daddr"), server), transport, dns, COUNTER, ACCEPT, why="dns")
            for server in rules.host_dns
        ),
        _rule(rules, "ns_host", _match(_payload("icmp", "type"), "echo-request"), ping, ACCEPT, why="ping the gateway"),
        _rule(rules, "ns_host", COUNTER, REJECT, why="no host services"),
    ]


def _hooks(rules: Rules) -> list[Command]:
    """The base chains, from which packets get to the chains above."""
    from_namespace = _match(_meta("iifname"), rules.host_link)
    to_namespace = _match(_meta("oifname"), rules.host_link)
    to_uplink = _match(_meta("oifname"), "@uplinks")
    not_to_namespace = _match(_meta("oifname"), rules.host_link, "!=")
    # `iifname` in postrouting needs Linux 5.5; the original tuple works everywhere.
    original_source = _match({"ct": {"key": "ip saddr", "dir": "original"}}, _prefix(rules.subnet))
    source = _match(_payload("ip", "saddr"), _prefix(rules.subnet))
    return [
        _base(rules, "postrouting", "nat", "postrouting", SRCNAT),
        _rule(rules, "postrouting", source, to_uplink, COUNTER, {"masquerade": None}, why="nat"),
        _base(rules, "forward", "filter", "forward", EARLY),
        _rule(rules, "forward", from_namespace, {"jump": {"target": "ns_out"}}),
        _rule(rules, "forward", to_namespace, {"jump": {"target": "ns_in"}}),
        *([_guard(rules)] if rules.guard else []),
        _base(rules, "input", "filter", "input", EARLY),
        _rule(rules, "input", from_namespace, {"jump": {"target": "ns_host"}}),
        _base(rules, "after", "filter", "postrouting", LAST),
        _rule(rules, "after", original_source, not_to_namespace, {"counter": "left_host"}),
    ]


def _guard(rules: Rules) -> Command:
    """Drop packets that are forwarded only because of our setting; flows with DNAT by another program pass."""
    translated = {"match": {"op": "!=", "left": {"&": [_ct("status"), "dnat"]}, "right": "dnat"}}
    return _rule(
        rules,
        "forward",
        _match(_meta("iifname"), "@uplinks"),
        _match(_meta("oifname"), rules.host_link, "!="),
        _match(_ct("state"), {"set": ["new", "invalid", "untracked"]}),
        translated,
        COUNTER,
        DROP,
        why="not a router",
    )


def _no_ipv6(rules: Rules, chain: str) -> Command:
    return _rule(rules, chain, _match(_meta("nfproto"), "ipv6"), {"counter": "ipv6_seen"}, DROP, why="no IPv6")


def _place(rules: Rules, **more: Any) -> dict[str, Any]:
    return {"family": "inet", "table": rules.table, **more}


def _base(rules: Rules, name: str, kind: str, hook: str, priority: int) -> Command:
    chain = _place(rules, name=name, type=kind, hook=hook, prio=priority, policy="accept")
    return {"add": {"chain": chain}}


def _rule(rules: Rules, chain: str, *expressions: Expression, why: str = "") -> Command:
    comment = {"comment": f"speedmon: {why}"} if why else {}
    return {"add": {"rule": _place(rules, chain=chain, expr=list(expressions), **comment)}}


def _match(left: Expression, right: Any, operator: str = "==") -> Expression:
    return {"match": {"op": operator, "left": left, "right": right}}


def _meta(key: str) -> Expression:
    return {"meta": {"key": key}}


def _ct(key: str) -> Expression:
    return {"ct": {"key": key}}


def _payload(protocol: str, field: str) -> Expression:
    return {"payload": {"protocol": protocol, "field": field}}


def _prefix(network: str) -> Expression:
    address, _, length = network.partition("/")
    return {"prefix": {"addr": address, "len": int(length)}}
