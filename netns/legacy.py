"""Find the rule of legacy iptables that drops a packet from inside: nft does not trace those, but each one counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netns import egress, iptables, iptables_saved
from netns.backend import IPTABLES_LEGACY

if TYPE_CHECKING:
    from netns.iptables_saved import Drop
    from netns.model import NamespaceSpec

# A lost packet is counted at once; a second one in case that somebody else's was counted in its place.
PROBES = 2


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
    return f"{grown[0]} drops packets from {spec.name}; run: {grown[0].fix(spec)}"


def _counted() -> dict[Drop, int]:
    saved = {table: iptables.saved(IPTABLES_LEGACY, table) for table in iptables.legacy_tables()}
    found = (iptables_saved.drops(IPTABLES_LEGACY, table, text) for table, text in saved.items())
    return {drop: packets for counted in found for drop, packets in counted.items()}
