"""Whether another firewall on this host drops packets from a namespace, which rule does, and how to fix it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netns import egress, foreign, iptables, legacy, loaded, suspects, trace
from netns.backend import IPTABLES_LEGACY, IPTABLES_NFT
from netns.egress import Fate

if TYPE_CHECKING:
    from netns.model import NamespaceSpec
    from netns.trace import Culprit


def explain(spec: NamespaceSpec) -> str | None:
    """Return one line that names the chain and rule, if they can be found, and the fix; None if packets get out.

    None too for a packet that is lost before our own rules with no rule that drops it: then routing is the cause.

    Raises:
        StepError: nft refused to trace a packet, iptables to list its rules, or the counters could not be read.
    """
    backend = loaded.find_backend()
    fate = egress.fate(spec.name, lambda: loaded.counters(spec, backend))
    if fate in {Fate.LEFT, Fate.REFUSED}:
        return None
    return _traced(spec, fate) if backend.is_nft else _suspected(spec, fate)


def _traced(spec: NamespaceSpec, fate: Fate) -> str | None:
    drop = trace.culprit(spec.name, spec.host_link)
    if drop is not None and not foreign.is_ours(drop.table):
        return f"{drop.chain} drops packets from {spec.name} ({drop.rule}); run: {_fix_command(spec, drop)}"
    return legacy.explain(spec) or (_unseen(spec.host_link) if fate is Fate.LOST_BEHIND else None)


def _fix_command(spec: NamespaceSpec, drop: Culprit) -> str:
    if drop.table == "firewalld":  # a rule in its own table would be gone with its next reload
        return f"firewall-cmd --zone=trusted --add-source={spec.subnet}"
    return f"nft insert rule {drop.chain} iifname {spec.host_link} accept"


def _unseen(host_link: str) -> str:
    return f"something that neither nft nor iptables shows (tc, eBPF) drops packets from {host_link}; let it pass there"


def _suspected(spec: NamespaceSpec, fate: Fate) -> str | None:
    """Name the rule whose counter grew, else the first that could match: only nft can trace a packet."""
    if counted_drop := legacy.explain(spec):
        return counted_drop
    candidates = (
        suspect
        for program in (IPTABLES_NFT, IPTABLES_LEGACY)
        for table in suspects.TABLES
        for suspect in suspects.of_table(spec, fate, program, table, iptables.saved(program, table))
    )
    if (suspect := next(iter(candidates), None)) is not None:
        message = f"{suspect} seems to drop packets from {spec.name}; run: {suspect.fix(spec)}"
        return f"{message}; where that does not help, apt install nftables, which finds the rule"
    message = f"something that iptables does not show drops packets from {spec.host_link}"
    return f"{message}; apt install nftables, and run this again to find it" if fate is Fate.LOST_BEHIND else None
