"""Which rule of iptables may have dropped a packet, as far as reading tells: for errors without nft. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from netns import iptables_saved

if TYPE_CHECKING:
    from collections.abc import Iterable

DROPS = frozenset({"DROP", "REJECT"})
# Where a packet that is forwarded passes; `filter` is not among the tables, because our own rules come first there.
CHAINS = frozenset({"PREROUTING", "FORWARD", "POSTROUTING"})
TABLES = ("raw", "mangle")


@dataclass(frozen=True, slots=True)
class Suspect:
    """A rule that drops packets, with its program and table."""

    program: str
    table: str
    chain: str
    rule: str

    def __str__(self) -> str:
        return f"`{self.program} -t {self.table} -A {self.rule}`"

    def mend(self, subnet: str) -> str:
        """Return the command that lets what comes from a subnet pass ahead of the rule."""
        return f"{self.program} -t {self.table} -I {self.chain} -s {subnet} -j ACCEPT"


def of_table(program: str, table: str, saved: str) -> Iterable[Suspect]:
    """Return the rules that drop in what `iptables-save` printed of one table."""
    for rule in iptables_saved.rules(saved):
        if rule.target in DROPS and rule.chain in CHAINS:
            yield Suspect(program, table, rule.chain, rule.words)
