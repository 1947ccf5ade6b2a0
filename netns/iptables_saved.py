"""What iptables-save(8) printed of one table, with our part of it told from that of others. Pure."""

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
    """One rule: its chain, its words from the chain on, and what they say."""

    chain: str
    text: str
    packets: int
    comment: str
    target: str

    @property
    def drops(self) -> bool:
        """Whether a packet that fits ends here."""
        return self.target in DROPPING_TARGETS


class Drop(Struct, frozen=True):
    """A rule or the policy of a chain that drops packets, `what` in iptables' words, with its program and table."""

    program: str
    table: str
    chain: str
    what: str

    def __str__(self) -> str:
        return f"`{self.program} -t {self.table} {self.what}`"

    def fix(self, spec: NamespaceSpec) -> str:
        """Return the command that lets what comes from the namespace pass ahead of it."""
        return f"{self.program} -t {self.table} -I {self.chain} -s {spec.subnet} -j ACCEPT"


class Saved(Struct, frozen=True):
    """One table, seen by the namespace whose rules have `tag`: the names of our chains, and every rule there is."""

    tag: str
    chains: tuple[str, ...]
    rules: tuple[Rule, ...]

    def listing(self) -> list[str]:
        """Return what is ours, as lines, and the rules of others that were put ahead of it; empty for nothing."""
        ours = [rule for rule in self.rules if self._is_ours(rule)]
        rules_ahead = [f"after {rule.text}" for rule in self.rules_ahead()]
        return [*self.chains, *(rule.text for rule in ours), *rules_ahead]

    def counters(self) -> dict[str, int]:
        """Return how many packets each of our counters has seen."""
        ours = [rule for rule in self.rules if rule.chain in self.chains]
        return {rule.comment: rule.packets for rule in ours if rule.comment in COUNTERS}

    def rules_ahead(self) -> list[Rule]:
        """Return the rules of others ahead of ours in the kernel's chains that may judge a packet before they do."""
        last = {rule.chain: place for place, rule in enumerate(self.rules) if rule.target in self.chains}
        return [
            rule
            for place, rule in enumerate(self.rules)
            if place < last.get(rule.chain, -1)
            and not rule.comment.startswith(OUR_TAGS)
            and rule.target not in PASSING_TARGETS
        ]

    def replacement(self, table: Table) -> list[str]:
        """Return what puts `table` in the place of everything here that is ours."""
        kept = {chain.name for chain in table.chains}
        outside = [rule for rule in self.rules if rule.chain not in self.chains and self._is_ours(rule)]
        stale = [name for name in self.chains if name not in kept]
        return [*_deletions(outside), *_ends(stale), *table.lines()]

    def removal(self) -> list[str]:
        """Return what removes our chains and the jumps to them; openings of ours for another program's rules stay."""
        jumps = [rule for rule in self.rules if rule.target in self.chains and rule.chain not in self.chains]
        return [*_deletions(jumps), *_ends(self.chains)]

    def _is_ours(self, rule: Rule) -> bool:
        return rule.chain in self.chains or rule.target in self.chains or is_tagged(rule.comment, self.tag)


def read(tag: str, text: str) -> Saved:
    """Return the table of a text; counters may be in it."""
    begins = f":{prefix(tag)}"
    chains = sorted(line.split()[0].removeprefix(":") for line in text.splitlines() if line.startswith(begins))
    return Saved(tag, tuple(chains), rules(text))


def rules(text: str) -> tuple[Rule, ...]:
    """Return every rule of a text, in order."""
    return tuple(_rule(found) for line in text.splitlines() if (found := RULE.match(line)))


def drops(program: str, table: str, text: str) -> dict[Drop, int]:
    """Return the policies and rules of a text that drop packets, and how many each has dropped."""
    policies = [found for line in text.splitlines() if (found := POLICY.match(line))]
    counted = {
        Drop(program, table, found["chain"], f"-P {found['chain']} {found['target']}"): int(found["packets"])
        for found in policies
        if found["target"] in DROPPING_TARGETS
    }
    dropping = [rule for rule in rules(text) if rule.drops]
    return counted | {Drop(program, table, rule.chain, f"-A {rule.text}"): rule.packets for rule in dropping}


def _rule(found: re.Match[str]) -> Rule:
    words = shlex.split(found["rule"])
    target = _after(words, "-j") or _after(words, "-g")
    return Rule(found["chain"], found["rule"], int(found["packets"] or 0), _after(words, "--comment"), target)


def _after(words: list[str], option: str) -> str:
    return words[words.index(option) + 1] if option in words else ""


def _deletions(rules: Iterable[Rule]) -> list[str]:
    return [f"-D {rule.text}" for rule in rules]


def _ends(chains: Iterable[str]) -> list[str]:
    names = list(chains)
    return [*(f"-F {name}" for name in names), *(f"-X {name}" for name in names)]
