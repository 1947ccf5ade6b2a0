"""Finds the legacy iptables rule that drops packets from inside, by its counter: nft cannot trace those rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netns import egress, iptables, iptables_saved
from netns.backend import IPTABLES_LEGACY

if TYPE_CHECKING:
    from netns.iptables_saved import Drop
    from netns.model import NamespaceSpec

# One would do, since a dropped packet is counted at once; with two, a packet of another program is not mistaken for it.
PROBES = 2


def explain(spec: NamespaceSpec) -> str | None:
    """Return which rule drops a packet from inside, and the command that lets the namespace pass; None if none does.

    Raises:
        StepError: iptables refused to list a table.
    """
    before = _counted()
    with egress.sender(spec.name) as udp_socket:
        for _ in range(PROBES):
            egress.send(udp_socket)
    candidates = [drop for drop, packets in _counted().items() if packets >= before.get(drop, packets) + PROBES]
    if not candidates:
        return None
    return f"{candidates[0]} drops packets from {spec.name}; run: {candidates[0].fix(spec)}"


def _counted() -> dict[Drop, int]:
    texts = {table: iptables.saved(IPTABLES_LEGACY, table) for table in iptables.legacy_tables()}
    drops_by_table = (iptables_saved.drops(IPTABLES_LEGACY, table, text) for table, text in texts.items())
    return {drop: packets for drops in drops_by_table for drop, packets in drops.items()}
