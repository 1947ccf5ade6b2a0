"""Tell whether another firewall of this host drops what comes from a namespace, which one, and what to type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netns import egress, foreign, iptables, legacy, loaded, suspects, trace
from netns.backend import IPTABLES_LEGACY, IPTABLES_NFT
from netns.egress import Fate

if TYPE_CHECKING:
    from netns.model import NamespaceSpec
    from netns.trace import Culprit


def explain(spec: NamespaceSpec) -> str | None:
    """Return one line that names the chain and rule, as far as it can be told, and the mend; None where all is well.

    A packet that is lost before our own rules see it, with no rule found that drops it, is a matter of routes.

    Raises:
        StepError: nft refused to trace a packet, iptables to list its rules, or the counters could not be read.
    """
    backend = loaded.find_backend()
    fate = egress.fate(spec.name, lambda: loaded.counters(spec, backend))
    if fate in {Fate.LEFT, Fate.REFUSED}:
        return None
    return _traced(spec, fate) if backend.is_nft else _suspected(spec, fate)


def _traced(spec: NamespaceSpec, fate: Fate) -> str | None:
    found = trace.culprit(spec.name, spec.host_link)
    if found is not None and not foreign.is_ours(found.table):
        return f"{found.chain} drops what comes from {spec.name} ({found.rule}); run: {_mend(spec, found)}"
    return legacy.explain(spec) or (_unseen(spec.host_link) if fate is Fate.LOST_BEHIND else None)


def _mend(spec: NamespaceSpec, found: Culprit) -> str:
    if found.table == "firewalld":  # a rule in its own table would be gone with its next reload
        return f"firewall-cmd --zone=trusted --add-source={spec.subnet}"
    return f"nft insert rule {found.chain} iifname {spec.host_link} accept"


def _unseen(host_link: str) -> str:
    return (
        f"something that neither nft nor iptables shows (tc, eBPF) drops what comes from {host_link}; let it pass there"
    )


def _suspected(spec: NamespaceSpec, fate: Fate) -> str | None:
    """Name the rule whose counter tells, else the first rule that may be the one: only nft can follow a packet."""
    if counted := legacy.explain(spec):
        return counted
    found = (
        suspect
        for program in (IPTABLES_NFT, IPTABLES_LEGACY)
        for table in suspects.TABLES
        for suspect in suspects.of_table(spec, fate, program, table, iptables.saved(program, table))
    )
    if (suspect := next(iter(found), None)) is not None:
        lost = f"{suspect} seems to drop what comes from {spec.name}; run: {suspect.mend(spec)}"
        return f"{lost}; where that does not help, apt install nftables, which finds the rule"
    lost = f"something that iptables does not show drops what comes from {spec.host_link}"
    return f"{lost}; apt install nftables, and run this again to find it" if fate is Fate.LOST_BEHIND else None
