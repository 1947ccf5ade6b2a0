"""Find the rule of legacy iptables that drops a packet from inside: nft does not trace those, but each one counts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from netns import egress, iptables

if TYPE_CHECKING:
    from netns.model import NamespaceSpec

# A lost packet is counted at once; a second one in case that somebody else's was counted in its place.
PROBES = 2
# As `iptables-save -c` prints a policy and a rule (iptables-save(8)): what counts, and how many packets it has counted.
POLICY = re.compile(r"^:(?P<chain>\S+) DROP \[(?P<packets>\d+):", re.MULTILINE)
RULE = re.compile(
    r"^\[(?P<packets>\d+):\d+\] (?P<rule>-A (?P<chain>\S+) .*-j (?:DROP|REJECT)(?: --reject-with \S+)?)$", re.MULTILINE
)


class Drop(Struct, frozen=True):
    """A rule, or a policy, that drops packets; `rule` is in iptables' words."""

    table: str
    chain: str
    rule: str

    def __str__(self) -> str:
        return f"{iptables.LEGACY} -t {self.table}"


def explain(spec: NamespaceSpec) -> str | None:
    """Return which rule drops a packet from inside, and the command that lets the namespace pass; None for none.

    Raises:
        StepError: iptables refused to list a table.
    """
    before = _counted()
    with egress.sender(spec.name) as probe:
        for _ in range(PROBES):
            egress.send(probe)
    grown = [drop for drop, packets in _counted().items() if packets >= before.get(drop, packets) + PROBES]
    if not grown:
        return None
    drop = grown[0]
    mend = f"{drop} -I {drop.chain} 1 -s {spec.subnet} -j ACCEPT"
    return f"{drop} drops what comes from {spec.name} ({drop.rule}); run: {mend}"


def parse(table: str, saved: str) -> dict[Drop, int]:
    """Return what drops packets in what `iptables-save -c` printed of a table, and how many it has dropped. Pure."""
    policies = {Drop(table, found["chain"], "policy DROP"): int(found["packets"]) for found in POLICY.finditer(saved)}
    rules = {Drop(table, found["chain"], found["rule"]): int(found["packets"]) for found in RULE.finditer(saved)}
    return policies | rules


def _counted() -> dict[Drop, int]:
    saved = {table: iptables.saved(iptables.LEGACY, table) for table in iptables.legacy_tables()}
    return {drop: packets for table, text in saved.items() for drop, packets in parse(table, text).items()}
