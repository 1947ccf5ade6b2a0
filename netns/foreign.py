"""Other firewalls that the namespace's packets pass, as data parsed from the output of their tools. Pure.

A drop in another base chain overrides an accept in our own table, whatever the priorities (nft(8), "verdict
statements"), so those chains must be known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from netns import iptables_saved
from netns.backend import NFT

if TYPE_CHECKING:
    from collections.abc import Iterable

FORWARD, INPUT, DOCKER_USER = "FORWARD", "INPUT", "DOCKER-USER"
# The nftables chains that iptables-nft manages.
IPTABLES_NFT_CHAINS = frozenset({"ip filter FORWARD", "ip filter INPUT"})
# Tables that never get a rule of ours: firewalld manages its own, the next three only drop packets to their own
# bridges, and an accept in the last two would skip what they do to packets, such as clamping the MSS.
CLOSED_TABLES = frozenset({"firewalld", "docker-bridges", "libvirt_network", "netavark", "mangle", "security"})
OUR_TABLES = "speedmon"
# nft statements that can drop a packet or lead to a rule that does, and iptables targets that cannot.
DECISIVE_STATEMENTS = frozenset({"drop", "reject", "jump", "goto", "vmap", "queue", "xt"})
HARMLESS_TARGETS = iptables_saved.PASSING_TARGETS | {"ACCEPT", "RETURN"}


class Rule(Struct, frozen=True):
    """A rule in a chain of another firewall, perhaps ours; `may_drop`: it, or a chain it jumps to, can drop packets."""

    comment: str = ""
    may_drop: bool = False
    target: str = ""


class Chain(Struct, frozen=True):
    """A chain for packets from the namespace that are forwarded or, with `hook` input, sent to the host itself.

    `program` changes it: nft, iptables-nft or iptables-legacy; `name` is its name there, for nft with family and
    table, such as "inet filter forward".
    """

    program: str
    name: str
    drops: bool = False
    rules: tuple[Rule, ...] = ()
    hook: str = "forward"

    @property
    def may_drop(self) -> bool:
        """Whether a packet can be dropped here."""
        return self.drops or any(rule.may_drop for rule in self.rules)


class Firewalls(Struct, frozen=True):
    """The other firewalls of this host; `trusted`: the sources that firewalld trusts, None if it is not running."""

    chains: tuple[Chain, ...] = ()
    trusted: frozenset[str] | None = None


def is_ours(table: str) -> bool:
    """Return whether an nftables table belongs to one of our namespaces."""
    return table == OUR_TABLES or table.startswith(f"{OUR_TABLES}_")


def is_closed(table: str) -> bool:
    """Return whether this nftables table must not get a rule: it is ours, or one of `CLOSED_TABLES`."""
    return table in CLOSED_TABLES or is_ours(table)


def nft_chain(objects: Iterable[dict[str, Any]]) -> Chain:
    """Return the chain listed by `nft -j list chain`: libnftables-json(5) objects, first the chain, then its rules.

    Raises:
        StopIteration: there is no chain among the objects.
    """
    object_list = list(objects)
    chain = next(entry["chain"] for entry in object_list if "chain" in entry)
    rules = (entry["rule"] for entry in object_list if "rule" in entry)
    name = f"{chain['family']} {chain['table']} {chain['name']}"
    hook = chain.get("hook", "forward")
    return Chain(NFT, name, chain.get("policy") == "drop", tuple(map(_nft_rule, rules)), hook)


def _nft_rule(rule: dict[str, Any]) -> Rule:
    statements = {name for expression in rule.get("expr", ()) for name in expression}
    return Rule(rule.get("comment", ""), may_drop=bool(statements & DECISIVE_STATEMENTS))


def iptables_chains(program: str, saved: str) -> tuple[Chain, ...]:
    """Return FORWARD, INPUT and DOCKER-USER, as far as they exist, from the output of `iptables-save -t filter`.

    None of them if iptables-nft reports that the table is incompatible: then it was made by nft itself.
    """
    lines = saved.splitlines()
    if any(line.startswith("#") and "incompatible" in line for line in lines):
        return ()
    policies = dict(line.removeprefix(":").split()[:2] for line in lines if line.startswith(":"))
    return tuple(
        Chain(program, name, policies[name] == "DROP", tuple(_iptables_rules(saved, name)), hook)
        for name, hook in ((FORWARD, "forward"), (INPUT, "input"), (DOCKER_USER, "forward"))
        if name in policies
    )


def _iptables_rules(saved: str, chain: str) -> Iterable[Rule]:
    for rule in iptables_saved.rules(saved):
        if rule.chain == chain:
            yield Rule(rule.comment, rule.target not in HARMLESS_TARGETS, rule.target)
