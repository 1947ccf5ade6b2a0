"""The nftables rules of one namespace, as pure data in JSON (libnftables-json(5)).

One table of our own: masquerading for the subnet only, new connections only from the namespace to the uplink, only
replies back, nothing of the host reachable except ping and its name servers, IPv6 dropped and counted. If the uplink
forwards only because of us, a guard rule keeps the host from becoming a router for others; what it looks after gets a
mark, without which policy routing refuses it (`netns.plan.routing`).
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from netns.state import GUARD_MARK

if TYPE_CHECKING:
    from netns.firewall.rules import RuleSet

Expression = dict[str, Any]
Command = dict[str, Any]

COUNT: Expression = {"counter": None}
DROP: Expression = {"drop": None}
ACCEPT: Expression = {"accept": None}

# With "administratively prohibited" a connection fails at once (EHOSTUNREACH) instead of timing out.
REJECT: Expression = {"reject": {"type": "icmpx", "expr": "admin-prohibited"}}

# Before iptables, ufw and Docker (0) and firewalld (+10).
EARLY_PRIORITY = -10

# After DNAT (-100), so that the destination is final, and before routing.
AFTER_DNAT_PRIORITY = -90

# After every other postrouting chain: a packet that is counted here has left the host.
LAST_PRIORITY = 300
SRCNAT_PRIORITY = 100


def to_commands(rules: RuleSet) -> tuple[Command, ...]:
    """Return one transaction that replaces our table: add, delete and add it, then its contents in order of use."""
    table = {"table": {"family": "inet", "name": rules.table}}
    return (
        {"add": table},
        {"delete": table},
        {"add": table},
        *_declarations(rules),
        *_outbound_rules(rules),
        *_inbound_rules(rules),
        *_host_rules(rules),
        *_base_chains(rules),
    )


def to_first_load(commands: tuple[Command, ...]) -> tuple[Command, ...]:
    """Return the same transaction for a table that does not exist yet; it fails if it does.

    A transaction that deletes a table, even an empty one, takes the kernel three times as long.
    """
    table, _delete, _add, *contents = commands
    return {"create": table["add"]}, *contents


def digest_rules(objects: object) -> str:
    """Return a short hash of rules or of a listing, without handles and counter values."""
    return hashlib.sha256(json.dumps(_strip_volatile(objects), sort_keys=True).encode()).hexdigest()[:16]


def _strip_volatile(value: object) -> object:
    if isinstance(value, dict):
        return {
            key: _strip_volatile(inner) for key, inner in value.items() if key not in {"handle", "packets", "bytes"}
        }
    if isinstance(value, list | tuple):
        return [_strip_volatile(inner) for inner in value if not (isinstance(inner, dict) and "metainfo" in inner)]
    return value


def _declarations(rules: RuleSet) -> list[Command]:
    counters = [{"add": {"counter": _in_table(rules, name=name)}} for name in ("ipv6_seen", "fwd_out", "left_host")]
    uplinks = {"add": {"set": _in_table(rules, name="uplinks", type="ifname", elem=[rules.uplink])}}
    chains = [{"add": {"chain": _in_table(rules, name=name)}} for name in ("ns_out", "ns_in", "ns_host")]
    return [*counters, uplinks, *chains]


def _outbound_rules(rules: RuleSet) -> list[Command]:
    """From the namespace to anywhere: IPv4, its own addresses, the uplink, nothing else."""
    states = _match(_ct("state"), {"set": ["new", "established", "related"]})
    return [
        _drop_ipv6(rules, "ns_out"),
        _rule(
            rules,
            "ns_out",
            _match(_payload("ip", "saddr"), _prefix(rules.subnet), "!="),
            COUNT,
            DROP,
            why="anti-spoof",
        ),
        _rule(rules, "ns_out", _match(_meta("oifname"), "@uplinks"), states, {"counter": "fwd_out"}, ACCEPT, why="out"),
        _rule(rules, "ns_out", COUNT, REJECT, why="only via the uplink"),
    ]


def _inbound_rules(rules: RuleSet) -> list[Command]:
    """From anywhere to the namespace: replies only."""
    states = _match(_ct("state"), {"set": ["established", "related"]})
    return [
        _drop_ipv6(rules, "ns_in"),
        _rule(rules, "ns_in", _match(_meta("iifname"), "@uplinks"), states, COUNT, ACCEPT, why="replies"),
        _rule(rules, "ns_in", COUNT, DROP, why="no inbound"),
    ]


def _host_rules(rules: RuleSet) -> list[Command]:
    """From the namespace to the host itself: ping, replies, and the name servers that the namespace uses."""
    dns = _match(_payload("th", "dport"), 53)
    transport = _match(_meta("l4proto"), {"set": ["tcp", "udp"]})
    ping = {"limit": {"rate": 20, "per": "second", "burst": 20}}
    return [
        _drop_ipv6(rules, "ns_host"),
        _rule(rules, "ns_host", _match(_ct("state"), {"set": ["established", "related"]}), ACCEPT, why="replies"),
        *(
            _rule(rules, "ns_host", _match(_payload("ip", "daddr"), server), transport, dns, COUNT, ACCEPT, why="dns")
            for server in rules.host_dns
        ),
        _rule(rules, "ns_host", _match(_payload("icmp", "type"), "echo-request"), ping, ACCEPT, why="ping the gateway"),
        _rule(rules, "ns_host", COUNT, REJECT, why="no host services"),
    ]


def _base_chains(rules: RuleSet) -> list[Command]:
    """The base chains, from which packets get to the chains above."""
    from_namespace = _match(_meta("iifname"), rules.host_link)
    to_namespace = _match(_meta("oifname"), rules.host_link)
    to_uplink = _match(_meta("oifname"), "@uplinks")
    not_to_namespace = _match(_meta("oifname"), rules.host_link, "!=")
    # `iifname` in postrouting needs Linux 5.5; the original tuple works everywhere.
    original_source = _match({"ct": {"key": "ip saddr", "dir": "original"}}, _prefix(rules.subnet))
    source = _match(_payload("ip", "saddr"), _prefix(rules.subnet))
    return [
        _base_chain(rules, "postrouting", "nat", "postrouting", SRCNAT_PRIORITY),
        _rule(rules, "postrouting", source, to_uplink, COUNT, {"masquerade": None}, why="nat"),
        *(_guarded_mark(rules) if rules.guard else []),
        _base_chain(rules, "forward", "filter", "forward", EARLY_PRIORITY),
        _rule(rules, "forward", from_namespace, {"jump": {"target": "ns_out"}}),
        _rule(rules, "forward", to_namespace, {"jump": {"target": "ns_in"}}),
        *([_guard_rule(rules)] if rules.guard else []),
        _base_chain(rules, "input", "filter", "input", EARLY_PRIORITY),
        _rule(rules, "input", from_namespace, {"jump": {"target": "ns_host"}}),
        _base_chain(rules, "after", "filter", "postrouting", LAST_PRIORITY),
        _rule(rules, "after", original_source, not_to_namespace, {"counter": "left_host"}),
    ]


def _guarded_mark(rules: RuleSet) -> list[Command]:
    """Mark what the uplink is to forward: the guard rule decides about it."""
    elsewhere = _match({"fib": {"result": "type", "flags": ["daddr"]}}, "local", "!=")
    marked = {"mangle": {"key": _meta("mark"), "value": {"|": [_meta("mark"), GUARD_MARK]}}}
    return [
        _base_chain(rules, "prerouting", "filter", "prerouting", AFTER_DNAT_PRIORITY),
        _rule(rules, "prerouting", _match(_meta("iifname"), "@uplinks"), elsewhere, marked, why="guarded"),
    ]


def _guard_rule(rules: RuleSet) -> Command:
    """Drop packets that are forwarded only because of our setting; flows with DNAT by another program pass."""
    translated = {"match": {"op": "!=", "left": {"&": [_ct("status"), "dnat"]}, "right": "dnat"}}
    return _rule(
        rules,
        "forward",
        _match(_meta("iifname"), "@uplinks"),
        _match(_meta("oifname"), rules.host_link, "!="),
        _match(_ct("state"), {"set": ["new", "invalid", "untracked"]}),
        translated,
        COUNT,
        DROP,
        why="not a router",
    )


def _drop_ipv6(rules: RuleSet, chain: str) -> Command:
    return _rule(rules, chain, _match(_meta("nfproto"), "ipv6"), {"counter": "ipv6_seen"}, DROP, why="no IPv6")


def _in_table(rules: RuleSet, **more: Any) -> dict[str, Any]:
    return {"family": "inet", "table": rules.table, **more}


def _base_chain(rules: RuleSet, name: str, kind: str, hook: str, priority: int) -> Command:
    chain = _in_table(rules, name=name, type=kind, hook=hook, prio=priority, policy="accept")
    return {"add": {"chain": chain}}


def _rule(rules: RuleSet, chain: str, *expressions: Expression, why: str = "") -> Command:
    comment = {"comment": f"speedmon: {why}"} if why else {}
    return {"add": {"rule": _in_table(rules, chain=chain, expr=list(expressions), **comment)}}


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
