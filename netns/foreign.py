"""Other firewalls in the way of the namespace's packets, as data read from what their own tools print. Pure.

An accept in our own table does not help against a drop in another base chain, whatever the priorities (nft(8),
"verdict statements"), so those chains have to be known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from netns import iptables_saved
from netns.backend import NFT

if TYPE_CHECKING:
    from collections.abc import Iterable

FORWARD, INPUT, DOCKER_USER = "FORWARD", "INPUT", "DOCKER-USER"
# The chains that iptables-nft shows as its own.
IPTABLES_NFT_CHAINS = frozenset({"ip filter FORWARD", "ip filter INPUT"})
# Tables that get no rule of ours: firewalld's is its own, the next drop only towards their own bridges, and an accept
# in those of iptables that are not for filtering would skip what they do to packets, such as clamping the MSS.
CLOSED_TABLES = frozenset({"firewalld", "docker-bridges", "libvirt_network", "netavark", "mangle", "security"})
OUR_TABLES = "speedmon"
# Statements of nft and targets of iptables that can end a packet's way, or lead to one that can, and that cannot.
DECISIVE_STATEMENTS = frozenset({"drop", "reject", "jump", "goto", "vmap", "queue", "xt"})
HARMLESS_TARGETS = iptables_saved.PASSING_TARGETS | {"ACCEPT", "RETURN"}


class Rule(Struct, frozen=True):
    """A rule of another firewall, or ours in its chain; `may_drop`: it or the chain it leads to can drop a packet."""

    comment: str = ""
    may_drop: bool = False
    target: str = ""


class Chain(Struct, frozen=True):
    """A chain that packets from the namespace pass: forwarded ones or, where `hook` is input, those to the host itself.

    `program` is what changes it: nft, iptables-nft or iptables-legacy; `name` is its name there, for nft with family
    and table, such as "inet filter forward".
    """

    program: str
    name: str
    drops: bool = False
    rules: tuple[Rule, ...] = ()
    hook: str = "forward"

    @property
    def may_drop(self) -> bool:
        """Tell whether a packet can end here."""
        return self.drops or any(rule.may_drop for rule in self.rules)


class Firewalls(Struct, frozen=True):
    """The other firewalls of this host; `trusted` are the sources that firewalld trusts, None where it does not run."""

    chains: tuple[Chain, ...] = ()
    trusted: frozenset[str] | None = None


def is_ours(table: str) -> bool:
    """Tell whether an nftables table belongs to one of our namespaces."""
    return table == OUR_TABLES or table.startswith(f"{OUR_TABLES}_")


def is_closed(table: str) -> bool:
    """Tell whether no rule may be added to this nftables table: it is ours, or its owner wants none there."""
    return table in CLOSED_TABLES or is_ours(table)


def nft_chain(objects: Iterable[dict[str, Any]]) -> Chain:
    """Return the chain of `nft -j list chain`: libnftables-json(5) objects, the chain's own and then its rules.

    Raises:
        StopIteration: there is no chain among the objects.
    """
    found = list(objects)
    chain = next(entry["chain"] for entry in found if "chain" in entry)
    rules = (entry["rule"] for entry in found if "rule" in entry)
    name = f"{chain['family']} {chain['table']} {chain['name']}"
    hook = chain.get("hook", "forward")
    return Chain(NFT, name, chain.get("policy") == "drop", tuple(map(_nft_rule, rules)), hook)


def _nft_rule(rule: dict[str, Any]) -> Rule:
    statements = {name for expression in rule.get("expr", ()) for name in expression}
    return Rule(rule.get("comment", ""), may_drop=bool(statements & DECISIVE_STATEMENTS))


def iptables_chains(program: str, saved: str) -> tuple[Chain, ...]:
    """Return FORWARD, INPUT and Docker's chain for the user, those that there are, of an `iptables-save -t filter`.

    There is none where iptables says that the table is not its own work: then it is one of nft's.
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
