"""Tell whether another firewall of this host drops what comes from a namespace, which one, and what to type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netns import egress, foreign, legacy, trace
from netns.egress import Fate

if TYPE_CHECKING:
    from netns.model import NamespaceSpec
    from netns.trace import Culprit


def explain(spec: NamespaceSpec) -> str | None:
    """Return one line that names the chain and rule, as far as it can be told, and the mend; None where all is well.

    A packet that is lost before our own rules see it, with no rule found that drops it, is a matter of routes.

    Raises:
        StepError: nft refused to trace a packet, or iptables to list its rules.
    """
    fate = egress.fate(spec.name, spec.table)
    if fate in {Fate.LEFT, Fate.REFUSED}:
        return None
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
