"""Parses one table from the output of iptables-save(8), and tells our chains and rules from those of others. Pure."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from msgspec import Struct

from netns.iptables_ruleset import COUNTERS, prefix
from netns.opening import is_tagged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netns.iptables_ruleset import Table
    from netns.model import NamespaceSpec

RULE = re.compile(r"(?:\[(?P<packets>\d+):\d+\] )?-A (?P<rule>(?P<chain>\S+).*)")
OUR_TAGS = "speedmon:"
POLICY = re.compile(r":(?P<chain>\S+) (?P<target>\S+) \[(?P<packets>\d+):\d+\]")
DROPPING_TARGETS = frozenset({"DROP", "REJECT"})
# Targets after which a packet goes on to the next rule; a rule may have none.
PASSING_TARGETS = frozenset({"", "LOG", "NFLOG", "MARK", "CONNMARK", "TCPMSS", "TRACE"})


class Rule(Struct, frozen=True):
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


class Drop(Struct, frozen=True):
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


class Saved(Struct, frozen=True):
    """One table: the names of the chains of the namespace whose rules have `tag`, and every rule in the table."""

    tag: str
    chains: tuple[str, ...]
    rules: tuple[Rule, ...]

    def listing(self) -> list[str]:
        """Return our chains and rules as lines, and the rules of others ahead of them; empty if nothing is ours."""
        ours = [rule for rule in self.rules if self._is_ours(rule)]
        rules_ahead = [f"after {rule.text}" for rule in self.rules_ahead()]
        return [*self.chains, *(rule.text for rule in ours), *rules_ahead]

    def counters(self) -> dict[str, int]:
        """Return the packet counts of our counters."""
        ours = [rule for rule in self.rules if rule.chain in self.chains]
        return {rule.comment: rule.packets for rule in ours if rule.comment in COUNTERS}

    def rules_ahead(self) -> list[Rule]:
        """Return the rules of others ahead of ours in the kernel's chains that may accept or drop a packet first."""
        last_jump = {rule.chain: position for position, rule in enumerate(self.rules) if rule.target in self.chains}
        return [
            rule
            for position, rule in enumerate(self.rules)
            if position < last_jump.get(rule.chain, -1)
            and not rule.comment.startswith(OUR_TAGS)
            and rule.target not in PASSING_TARGETS
        ]

    def replacement(self, table: Table) -> list[str]:
        """Return the iptables-restore lines that replace everything of ours by `table`."""
        new_names = {chain.name for chain in table.chains}
        jumps = [rule for rule in self.rules if rule.chain not in self.chains and self._is_ours(rule)]
        stale = [name for name in self.chains if name not in new_names]
        return [*_deletions(jumps), *_ends(stale), *table.lines()]

    def removal(self) -> list[str]:
        """Return the lines that remove our chains and the jumps to them; our openings in other firewalls stay."""
        jumps = [rule for rule in self.rules if rule.target in self.chains and rule.chain not in self.chains]
        return [*_deletions(jumps), *_ends(self.chains)]

    def _is_ours(self, rule: Rule) -> bool:
        return rule.chain in self.chains or rule.target in self.chains or is_tagged(rule.comment, self.tag)


def read(tag: str, text: str) -> Saved:
    """Parse a table, with or without counters."""
    declaration = f":{prefix(tag)}"
    chains = sorted(line.split()[0].removeprefix(":") for line in text.splitlines() if line.startswith(declaration))
    return Saved(tag, tuple(chains), rules(text))


def rules(text: str) -> tuple[Rule, ...]:
    """Return every rule of the text, in order."""
    return tuple(_rule(match) for line in text.splitlines() if (match := RULE.match(line)))


def drops(program: str, table: str, text: str) -> dict[Drop, int]:
    """Return the policies and rules that drop packets, and how many packets each has dropped."""
    policies = [match for line in text.splitlines() if (match := POLICY.match(line))]
    counted = {
        Drop(program, table, match["chain"], f"-P {match['chain']} {match['target']}"): int(match["packets"])
        for match in policies
        if match["target"] in DROPPING_TARGETS
    }
    dropping = [rule for rule in rules(text) if rule.drops]
    return counted | {Drop(program, table, rule.chain, f"-A {rule.text}"): rule.packets for rule in dropping}


def _rule(match: re.Match[str]) -> Rule:
    arguments = shlex.split(match["rule"])
    target = _after(arguments, "-j") or _after(arguments, "-g")
    return Rule(match["chain"], match["rule"], int(match["packets"] or 0), _after(arguments, "--comment"), target)


def _after(arguments: list[str], option: str) -> str:
    return arguments[arguments.index(option) + 1] if option in arguments else ""


def _deletions(rules: Iterable[Rule]) -> list[str]:
    return [f"-D {rule.text}" for rule in rules]


def _ends(chains: Iterable[str]) -> list[str]:
    names = list(chains)
    return [*(f"-F {name}" for name in names), *(f"-X {name}" for name in names)]
