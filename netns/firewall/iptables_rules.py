"""Our rules in the format of iptables-restore(8), and the parser of iptables-save(8). Pure; see also `nft_rules`.

Chains of our own, named after the namespace, and jumps to them at the head of the kernel's chains, so that no rule of
others behind them applies to its packets. Three rules serve as counters, found by their comments: fwd_out, left_host
(in nat, which comes last and sees only the first packet of a connection) and ipv6_seen.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from msgspec import Struct

from netns.firewall.rules import DOCKER_USER, FORWARD, INPUT, has_tag
from netns.state import GUARD_MARK, ChainRule, FilterChain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netns.firewall.rules import RuleSet
    from netns.spec import NamespaceSpec

RULE_PATTERN = re.compile(r"(?:\[(?P<packets>\d+):\d+\] )?-A (?P<rule>(?P<chain>\S+).*)")
OWN_TAG_PREFIX = "speedmon:"
POLICY_PATTERN = re.compile(r":(?P<chain>\S+) (?P<target>\S+) \[(?P<packets>\d+):\d+\]")
DROPPING_TARGETS = frozenset({"DROP", "REJECT"})

# Targets after which a packet goes on to the next rule; a rule may have none.
PASSING_TARGETS = frozenset({"", "LOG", "NFLOG", "MARK", "CONNMARK", "TCPMSS", "TRACE"})

REPLIES = "-m conntrack --ctstate RELATED,ESTABLISHED"
REJECT = "-j REJECT --reject-with icmp-admin-prohibited"
COUNTERS = ("ipv6_seen", "fwd_out", "left_host")

IPV4, IPV6 = 4, 6

# The tables that get rules of ours: (IP version, name).
# The marks come last, as they let packets pass that the others look after.
OWN_TABLES = ((IPV4, "filter"), (IPV6, "filter"), (IPV4, "nat"), (IPV4, "mangle"))

HARMLESS_TARGETS = PASSING_TARGETS | {"ACCEPT", "RETURN"}


class OwnChain(Struct, frozen=True):
    """A chain of ours, its rules, and the jumps to it: (chain of the kernel, match)."""

    name: str
    rules: tuple[str, ...]
    entrances: tuple[tuple[str, str], ...]


class OwnTable(Struct, frozen=True):
    """Our chains in one table; `tag` marks the jumps, as it marks our rules in other firewalls."""

    version: int
    name: str
    tag: str
    chains: tuple[OwnChain, ...]

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


def chain_prefix(tag: str) -> str:
    """Return the prefix of our chain names, such as `speedmon-ip4only-`; iptables allows 28 characters in a name."""
    return f"{tag.replace(':', '-')}-"


def to_tables(rules: RuleSet, tag: str, *, ipv6: bool) -> tuple[OwnTable, ...]:
    """Return all tables with rules of ours, without those for IPv6 if `ipv6` is false."""
    contents = {
        (IPV4, "filter"): (
            _outbound_chain(rules),
            _inbound_chain(rules),
            _host_chain(rules),
            *([_guard_chain(rules)] if rules.guard else []),
        ),
        (IPV6, "filter"): (_ipv6_chain(rules),),
        (IPV4, "nat"): (_nat_chain(rules),),
        (IPV4, "mangle"): (_mark_chain(rules),) if rules.guard else (),
    }
    return tuple(
        OwnTable(version, name, tag, tuple(_with_prefix(chain, tag) for chain in contents[version, name]))
        for version, name in OWN_TABLES
        if contents[version, name] and (version == IPV4 or ipv6)
    )


def _with_prefix(chain: OwnChain, tag: str) -> OwnChain:
    return OwnChain(chain_prefix(tag) + chain.name, chain.rules, chain.entrances)


def _outbound_chain(rules: RuleSet) -> OwnChain:
    """From the namespace to anywhere: its own addresses, the uplink, nothing else."""
    return OwnChain(
        "out",
        (
            f"! -s {rules.subnet} {_comment('anti-spoof')} -j DROP",
            f"-o {rules.uplink} -m conntrack --ctstate NEW,RELATED,ESTABLISHED {_comment('fwd_out')} -j ACCEPT",
            f"{_comment('only via the uplink')} {REJECT}",
        ),
        (("FORWARD", f"-i {rules.host_link}"),),
    )


def _inbound_chain(rules: RuleSet) -> OwnChain:
    """From anywhere to the namespace: replies only."""
    return OwnChain(
        "in",
        (f"-i {rules.uplink} {REPLIES} {_comment('replies')} -j ACCEPT", f"{_comment('no inbound')} -j DROP"),
        (("FORWARD", f"-o {rules.host_link}"),),
    )


def _host_chain(rules: RuleSet) -> OwnChain:
    """From the namespace to the host itself: ping, replies, and the name servers that the namespace uses."""
    dns = [
        f"-d {server} -p {transport} --dport 53 {_comment('dns')} -j ACCEPT"
        for server in rules.host_dns
        for transport in ("udp", "tcp")
    ]
    ping = "-p icmp --icmp-type echo-request -m limit --limit 20/second --limit-burst 20"
    return OwnChain(
        "host",
        (
            f"{REPLIES} {_comment('replies')} -j ACCEPT",
            *dns,
            f"{ping} {_comment('ping the gateway')} -j ACCEPT",
            f"{_comment('no host services')} {REJECT}",
        ),
        (("INPUT", f"-i {rules.host_link}"),),
    )


def _guard_chain(rules: RuleSet) -> OwnChain:
    """Drop packets that are forwarded only because of our setting; flows with DNAT by another program pass."""
    unknown_flows = "-m conntrack --ctstate NEW,INVALID,UNTRACKED -m conntrack ! --ctstate DNAT"
    return OwnChain(
        "guard",
        (f"{unknown_flows} {_comment('not a router')} -j DROP",),
        (("FORWARD", f"-i {rules.uplink} ! -o {rules.host_link}"),),
    )


def _mark_chain(rules: RuleSet) -> OwnChain:
    """Mark the replies that the uplink is to forward; a policy rule leads everything else nowhere."""
    mark = f"-j MARK --set-xmark {GUARD_MARK:#x}/{GUARD_MARK:#x}"
    return OwnChain("mark", (f"{REPLIES} {_comment('guarded')} {mark}",), (("PREROUTING", f"-i {rules.uplink}"),))


def _ipv6_chain(rules: RuleSet) -> OwnChain:
    directions = (("FORWARD", "-i"), ("FORWARD", "-o"), ("INPUT", "-i"))
    entrances = tuple((kernel_chain, f"{direction} {rules.host_link}") for kernel_chain, direction in directions)
    return OwnChain("ipv6", (f"{_comment('ipv6_seen')} -j DROP",), entrances)


def _nat_chain(rules: RuleSet) -> OwnChain:
    entrances = (("POSTROUTING", f"-s {rules.subnet} -o {rules.uplink}"),)
    return OwnChain("nat", (f"{_comment('left_host')} -j MASQUERADE",), entrances)


def _comment(text: str) -> str:
    return f'-m comment --comment "{text}"'


class SavedRule(Struct, frozen=True):
    """One rule: its chain, its text from the chain on, and the parts of it that matter here."""

    chain: str
    text: str
    packets: int
    comment: str
    target: str

    @property
    def drops(self) -> bool:
        """Whether the rule drops packets that match."""
        return self.target in DROPPING_TARGETS


class DroppingRule(Struct, frozen=True):
    """A rule, or the policy of a chain, that drops packets; `what` is its iptables arguments."""

    program: str
    table: str
    chain: str
    what: str

    def __str__(self) -> str:
        return f"`{self.program} -t {self.table} {self.what}`"

    def fix(self, spec: NamespaceSpec) -> str:
        """Return the command that accepts packets from the namespace before this rule."""
        return f"{self.program} -t {self.table} -I {self.chain} -s {spec.subnet} -j ACCEPT"


class SavedTable(Struct, frozen=True):
    """One table: the names of the chains of the namespace whose rules have `tag`, and every rule in the table."""

    tag: str
    chains: tuple[str, ...]
    rules: tuple[SavedRule, ...]

    def listing(self) -> list[str]:
        """Return our chains and rules as lines, and the rules of others ahead of them; empty if nothing is ours."""
        ours = [rule for rule in self.rules if self._is_ours(rule)]
        rules_ahead = [f"after {rule.text}" for rule in self.rules_ahead()]
        return [*self.chains, *(rule.text for rule in ours), *rules_ahead]

    def counters(self) -> dict[str, int]:
        """Return the packet counts of our counters."""
        ours = [rule for rule in self.rules if rule.chain in self.chains]
        return {rule.comment: rule.packets for rule in ours if rule.comment in COUNTERS}

    def rules_ahead(self) -> list[SavedRule]:
        """Return the rules of others ahead of ours in the kernel's chains that may accept or drop a packet first."""
        last_jump = {rule.chain: position for position, rule in enumerate(self.rules) if rule.target in self.chains}
        return [
            rule
            for position, rule in enumerate(self.rules)
            if position < last_jump.get(rule.chain, -1)
            and not rule.comment.startswith(OWN_TAG_PREFIX)
            and rule.target not in PASSING_TARGETS
        ]

    def replacement(self, table: OwnTable) -> list[str]:
        """Return the iptables-restore lines that replace everything of ours by `table`."""
        new_names = {chain.name for chain in table.chains}
        jumps = [rule for rule in self.rules if rule.chain not in self.chains and self._is_ours(rule)]
        stale = [name for name in self.chains if name not in new_names]
        return [*_rule_deletions(jumps), *_chain_removals(stale), *table.lines()]

    def removal(self) -> list[str]:
        """Return the lines that remove our chains and the jumps to them; our openings in other firewalls stay."""
        jumps = [rule for rule in self.rules if rule.target in self.chains and rule.chain not in self.chains]
        return [*_rule_deletions(jumps), *_chain_removals(self.chains)]

    def _is_ours(self, rule: SavedRule) -> bool:
        return rule.chain in self.chains or rule.target in self.chains or has_tag(rule.comment, self.tag)


def parse_table(tag: str, text: str) -> SavedTable:
    """Parse a table, with or without counters."""
    declaration = f":{chain_prefix(tag)}"
    chains = sorted(line.split()[0].removeprefix(":") for line in text.splitlines() if line.startswith(declaration))
    return SavedTable(tag, tuple(chains), parse_rules(text))


def parse_rules(text: str) -> tuple[SavedRule, ...]:
    """Return every rule of the text, in order."""
    return tuple(_parse_rule(match) for line in text.splitlines() if (match := RULE_PATTERN.match(line)))


def count_drops(program: str, table: str, text: str) -> dict[DroppingRule, int]:
    """Return the policies and rules that drop packets, and how many packets each has dropped."""
    policies = [match for line in text.splitlines() if (match := POLICY_PATTERN.match(line))]
    counted = {
        DroppingRule(program, table, match["chain"], f"-P {match['chain']} {match['target']}"): int(match["packets"])
        for match in policies
        if match["target"] in DROPPING_TARGETS
    }
    dropping = [rule for rule in parse_rules(text) if rule.drops]
    return counted | {DroppingRule(program, table, rule.chain, f"-A {rule.text}"): rule.packets for rule in dropping}


def _parse_rule(match: re.Match[str]) -> SavedRule:
    try:
        arguments = shlex.split(match["rule"])
    except ValueError:  # a comment with quotes that iptables has not escaped
        arguments = match["rule"].split()
    target = _option_value(arguments, "-j") or _option_value(arguments, "-g")
    return SavedRule(
        match["chain"], match["rule"], int(match["packets"] or 0), _option_value(arguments, "--comment"), target
    )


def _option_value(arguments: list[str], option: str) -> str:
    following = arguments[arguments.index(option) + 1 :] if option in arguments else []
    return following[0] if following else ""


def _rule_deletions(rules: Iterable[SavedRule]) -> list[str]:
    return [f"-D {rule.text}" for rule in rules]


def _chain_removals(chains: Iterable[str]) -> list[str]:
    names = list(chains)
    return [*(f"-F {name}" for name in names), *(f"-X {name}" for name in names)]


def parse_chains(program: str, listing: str) -> tuple[FilterChain, ...]:
    """Return FORWARD, INPUT and DOCKER-USER, as far as they exist, from the output of `iptables-save -t filter`.

    None of them if iptables-nft reports that the table is incompatible: then it was made by nft itself.
    """
    lines = listing.splitlines()
    if any(line.startswith("#") and "incompatible" in line for line in lines):
        return ()
    declared = [line.removeprefix(":").split() for line in lines if line.startswith(":")]
    policies = {words[0]: words[1] for words in declared if len(words) > 1}
    return tuple(
        FilterChain(program, name, policies[name] == "DROP", tuple(_parse_chain_rules(listing, name)), hook)
        for name, hook in ((FORWARD, "forward"), (INPUT, "input"), (DOCKER_USER, "forward"))
        if name in policies
    )


def _parse_chain_rules(listing: str, chain: str) -> Iterable[ChainRule]:
    for rule in parse_rules(listing):
        if rule.chain == chain:
            yield ChainRule(rule.comment, rule.target not in HARMLESS_TARGETS, rule.target)
