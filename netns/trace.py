"""Finds the rule that drops packets from a namespace: nftables traces a test packet (nft(8), "meta nftrace").

Only used for an error message: for about a second, a table of our own marks the packets of the namespace.
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
# A priority before every other chain.
FIRST = -500
DEADLINE_S = 1.5
PAUSE_S = 0.1
CHUNK = 65536
DROPPED = re.compile(
    r"^trace id \w+ (?P<chain>\w+ \S+ \S+) (?:unknown )?(?P<what>rule .*\(verdict drop\)|policy drop)", re.MULTILINE
)


class Culprit(Struct, frozen=True):
    """What drops a packet: a chain, such as "ip mangle FORWARD", and its rule, or "policy drop"."""

    chain: str
    rule: str

    @property
    def table(self) -> str:
        """The name of the table that the chain is in."""
        return self.chain.split()[1]


def culprit(netns: str, host_link: str) -> Culprit | None:
    """Return what drops a packet from inside, None if it is not nftables (or iptables-nft).

    Raises:
        StepError: nft refused.
    """
    output = ""
    with _marked(host_link), firewall.tracing() as trace, egress.sender(netns) as udp_socket:
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            egress.send(udp_socket)
            if select.select([trace], [], [], PAUSE_S)[0]:
                output += os.read(trace, CHUNK).decode(errors="replace")
            if drop := parse(output):
                return drop
    return None


def parse(output: str) -> Culprit | None:
    """Return the first drop of a packet in the output of `nft monitor trace` so far."""
    match = DROPPED.search(output)
    if match is None:
        return None
    rule = re.sub(r" counter packets \d+ bytes \d+", "", match["what"])
    return Culprit(match["chain"], rule.removeprefix("rule ").removesuffix("(verdict drop)").strip())


@contextlib.contextmanager
def _marked(host_link: str) -> Iterator[None]:
    firewall.load(_marking(host_link))
    try:
        yield
    finally:
        firewall.delete(TABLE)


def _marking(host_link: str) -> tuple[Command, ...]:
    location = {"family": "inet", "table": TABLE}
    hook = {**location, "name": "mark", "type": "filter", "hook": "prerouting", "prio": FIRST, "policy": "accept"}
    from_namespace = {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": host_link}}
    mark = {"mangle": {"key": {"meta": {"key": "nftrace"}}, "value": 1}}
    return (
        {"add": {"table": {"family": "inet", "name": TABLE}}},
        {"add": {"chain": hook}},
        {"add": {"rule": {**location, "chain": "mark", "expr": [from_namespace, mark]}}},
    )
