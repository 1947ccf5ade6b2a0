"""Which rule of iptables may have dropped a packet, as far as reading tells: for errors without nft. Pure."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from netns import iptables_saved
from netns.egress import Fate
from netns.iptables_saved import Drop

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netns.model import NamespaceSpec

# `filter` is not among the tables, because our own rules come first there.
TABLES = ("raw", "mangle")
# The chains that a forwarded packet passes ahead of our own rules and behind them.
CHAINS = {Fate.LOST_BEFORE: ("PREROUTING", "FORWARD"), Fate.LOST_BEHIND: ("POSTROUTING",)}


def of_table(spec: NamespaceSpec, fate: Fate, program: str, table: str, saved: str) -> Iterable[Drop]:
    """Return the rules that may drop a probe in what `iptables-save` printed of one table."""
    for rule in iptables_saved.rules(saved):
        if rule.drops and rule.chain in CHAINS[fate] and _may_match(spec, rule.text.split()):
            yield Drop(program, table, rule.chain, f"-A {rule.text}")


def _may_match(spec: NamespaceSpec, words: list[str]) -> bool:
    """Tell whether nothing in a rule says that it is for others; what it negates is not understood, and may match."""
    asked = {option: value for before, option, value in zip(words, words[1:], words[2:], strict=False) if before != "!"}
    return (
        asked.get("-i", spec.host_link) == spec.host_link
        and asked.get("-p", "udp") == "udp"
        and asked.get("--ctstate") != "INVALID"
        and spec.subnet.overlaps(ipaddress.IPv4Network(asked.get("-s", "0.0.0.0/0")))
    )
