"""Find the rule that drops packets from a namespace: nftables traces a probe (nft(8), "meta nftrace").

Only for an error message: for a second there is a table of our own that marks the namespace's packets, nothing else.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import time
from typing import TYPE_CHECKING

from msgspec import Struct

from netns import egress, firewall

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netns.ruleset import Command

TABLE = "speedmon_trace"
# Ahead of every other chain.
FIRST = -500
DEADLINE_S = 1.5
PAUSE_S = 0.1
CHUNK = 65536
DROPPED = re.compile(
    r"^trace id \w+ (?P<chain>\w+ \S+ \S+) (?:unknown )?(?P<what>rule .*\(verdict drop\)|policy drop)", re.MULTILINE
)


class Culprit(Struct, frozen=True):
    """What drops the packets: a chain, such as "ip mangle FORWARD", and its rule, or "policy drop"."""

    chain: str
    rule: str

    @property
    def table(self) -> str:
        """The name of the table that the chain is in."""
        return self.chain.split()[1]


def culprit(netns: str, host_link: str) -> Culprit | None:
    """Return what drops a probe from inside, None where it is not nftables (or iptables on top of it).

    Raises:
        StepError: nft refused.
    """
    heard = ""
    with _marked(host_link), firewall.tracing() as trace, egress.sender(netns) as sender:
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            egress.send(sender)
            if select.select([trace], [], [], PAUSE_S)[0]:
                heard += os.read(trace, CHUNK).decode(errors="replace")
            if found := parse(heard):
                return found
    return None


def parse(heard: str) -> Culprit | None:
    """Return the first end of a packet in what `nft monitor trace` has printed so far."""
    found = DROPPED.search(heard)
    if found is None:
        return None
    rule = re.sub(r" counter packets \d+ bytes \d+", "", found["what"])
    return Culprit(found["chain"], rule.removeprefix("rule ").removesuffix("(verdict drop)").strip())


@contextlib.contextmanager
def _marked(host_link: str) -> Iterator[None]:
    firewall.load(_marking(host_link))
    try:
        yield
    finally:
        firewall.delete(TABLE)


def _marking(host_link: str) -> tuple[Command, ...]:
    place = {"family": "inet", "table": TABLE}
    hook = {**place, "name": "mark", "type": "filter", "hook": "prerouting", "prio": FIRST, "policy": "accept"}
    comes = {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": host_link}}
    mark = {"mangle": {"key": {"meta": {"key": "nftrace"}}, "value": 1}}
    return (
        {"add": {"table": {"family": "inet", "name": TABLE}}},
        {"add": {"chain": hook}},
        {"add": {"rule": {**place, "chain": "mark", "expr": [comes, mark]}}},
    )
