"""Which iptables rule may have dropped a packet, judged from its text: for error messages without nft. Pure."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from netns import iptables_saved
from netns.egress import Fate
from netns.iptables_saved import Drop

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netns.model import NamespaceSpec

# Not `filter`, because our own rules come first there.
TABLES = ("raw", "mangle")
# The chains that a forwarded packet passes before and after our own rules.
CHAINS = {Fate.LOST_BEFORE: ("PREROUTING", "FORWARD"), Fate.LOST_BEHIND: ("POSTROUTING",)}


def of_table(spec: NamespaceSpec, fate: Fate, program: str, table: str, saved: str) -> Iterable[Drop]:
    """Yield the rules that may drop a test packet, from the `iptables-save` text of one table."""
    for rule in iptables_saved.rules(saved):
        if rule.drops and rule.chain in CHAINS[fate] and _may_match(spec, rule.text.split()):
            yield Drop(program, table, rule.chain, f"-A {rule.text}")


def _may_match(spec: NamespaceSpec, arguments: list[str]) -> bool:
    """Return whether no option of a rule excludes our packet; negated options are not evaluated, so they may match."""
    options = {
        option: value
        for previous, option, value in zip(arguments, arguments[1:], arguments[2:], strict=False)
        if previous != "!"
    }
    return (
        options.get("-i", spec.host_link) == spec.host_link
        and options.get("-p", "udp") == "udp"
        and options.get("--ctstate") != "INVALID"
        and spec.subnet.overlaps(ipaddress.IPv4Network(options.get("-s", "0.0.0.0/0")))
    )
