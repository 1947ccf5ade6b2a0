"""Finds out whether a packet from inside leaves this host and, if not, which rule drops it and how to fix that.

A packet is sent that needs no reply and goes no further than the router. Of the counters of our rules, fwd_out counts
what our own rules accept, before the other firewalls; left_host counts what leaves after all of them. The rule is found
by a trace (nft(8), "meta nftrace"), for which a table of our own marks the packets for about a second; that of legacy
iptables by its counter, because nft cannot trace it; without nft the text of the rules has to do.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import select
import socket
import time
from enum import Enum
from typing import TYPE_CHECKING

from msgspec import Struct

from netns.firewall import iptables, iptables_rules, loaded, nft, rules
from netns.firewall.iptables_rules import DroppingRule
from netns.kernel.namespaces import enter_namespace
from netns.state import IPTABLES_LEGACY, IPTABLES_NFT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from netns.firewall.nft_rules import Command
    from netns.spec import NamespaceSpec

TRACE_TABLE = "speedmon_trace"

# A priority before every other chain.
TRACE_PRIORITY = -500
TRACE_DEADLINE_S = 1.5
TRACE_PAUSE_S = 0.1
TRACE_CHUNK_BYTES = 65536
DROP_PATTERN = re.compile(
    r"^trace id \w+ (?P<chain>\w+ \S+ \S+) (?:unknown )?(?P<what>rule .*\(verdict drop\)|policy drop)", re.MULTILINE
)

# An address reserved for documentation (RFC 5737) and the discard port (RFC 863).
PACKET_TARGET = ("198.51.100.1", 9)

# The TTL: the host uses one hop, the router the other.
PACKET_HOPS = 2

# A new veth pair may lose its first packet, and the kernel sends ARP requests once a second.
PACKET_TRIES = 15
PACKET_PAUSE_S = 0.1

# How often the counters must show a packet before the other firewalls and none after, until it counts as dropped.
LOSSES_TO_CONCLUDE = 3

# Not `filter`, because our own rules come first there.
SUSPECT_TABLES = ("raw", "mangle")

# One would do, since a dropped packet is counted at once; with two, a packet of another program is not mistaken for it.
LEGACY_PACKETS = 2


class PacketFate(Enum):
    """What happened to a packet: it left, our own table rejected it, or it was lost before or after our table."""

    LEFT = "left"
    REFUSED = "refused"
    LOST_BEFORE = "lost before"
    LOST_BEHIND = "lost behind"


class TracedDrop(Struct, frozen=True):
    """What drops a packet: a chain, such as "ip mangle FORWARD", and its rule, or "policy drop"."""

    chain: str
    rule: str

    @property
    def table(self) -> str:
        """The name of the table that the chain is in."""
        return self.chain.split()[1]


# The chains that a forwarded packet passes before and after our own rules.
SUSPECT_CHAINS = {PacketFate.LOST_BEFORE: ("PREROUTING", "FORWARD"), PacketFate.LOST_BEHIND: ("POSTROUTING",)}


def explain_drop(spec: NamespaceSpec) -> str | None:
    """Return one line that names the chain and rule, if they can be found, and the fix; None if packets get out.

    None too for a packet that is lost before our own rules with no rule that drops it: then routing is the cause.

    Raises:
        StepError: nft refused to trace a packet, iptables to list its rules, or the counters could not be read.
    """
    backend = loaded.find_backend()
    fate = find_packet_fate(spec.name, lambda: loaded.read_counters(spec, backend))
    if fate in {PacketFate.LEFT, PacketFate.REFUSED}:
        return None
    return _explain_by_trace(spec, fate) if backend.is_nft else _explain_by_suspects(spec, fate)


def _explain_by_trace(spec: NamespaceSpec, fate: PacketFate) -> str | None:
    drop = trace_drop(spec.name, spec.host_link)
    if drop is not None and not rules.is_own_table(drop.table):
        return f"{drop.chain} drops packets from {spec.name} ({drop.rule}); run: {_fix_command(spec, drop)}"
    return explain_legacy_drop(spec) or (_explain_unseen(spec.host_link) if fate is PacketFate.LOST_BEHIND else None)


def _fix_command(spec: NamespaceSpec, drop: TracedDrop) -> str:
    if drop.table == "firewalld":  # a rule in its own table would be gone with its next reload
        return f"firewall-cmd --zone=trusted --add-source={spec.subnet}"
    return f"nft insert rule {drop.chain} iifname {spec.host_link} accept"


def _explain_unseen(host_link: str) -> str:
    return f"something that neither nft nor iptables shows (tc, eBPF) drops packets from {host_link}; let it pass there"


def _explain_by_suspects(spec: NamespaceSpec, fate: PacketFate) -> str | None:
    """Name the rule whose counter grew, else the first that could match: only nft can trace a packet."""
    if counted_drop := explain_legacy_drop(spec):
        return counted_drop
    candidates = (
        suspect
        for program in (IPTABLES_NFT, IPTABLES_LEGACY)
        for table in SUSPECT_TABLES
        for suspect in find_suspects(spec, fate, program, table, iptables.save_table(program, table))
    )
    if (suspect := next(iter(candidates), None)) is not None:
        message = f"{suspect} seems to drop packets from {spec.name}; run: {suspect.fix(spec)}"
        return f"{message}; where that does not help, apt install nftables, which finds the rule"
    message = f"something that iptables does not show drops packets from {spec.host_link}"
    return f"{message}; apt install nftables, and run this again to find it" if fate is PacketFate.LOST_BEHIND else None


def find_packet_fate(netns: str, counters: Callable[[], Mapping[str, int]]) -> PacketFate:
    """Send packets from a namespace until it is clear what happens to them; `counters` reads the counters of its rules.

    Raises:
        StepError: the counters could not be listed.
    """
    before = counters()
    losses = 0
    with open_sender(netns) as udp_socket:
        for _ in range(PACKET_TRIES):
            sent = send_packet(udp_socket)
            now = counters()
            if now["left_host"] > before["left_host"]:
                return PacketFate.LEFT
            losses += now["fwd_out"] > before["fwd_out"]
            if not sent and not losses:
                return PacketFate.REFUSED
            if not sent or losses == LOSSES_TO_CONCLUDE:
                return PacketFate.LOST_BEHIND
            time.sleep(PACKET_PAUSE_S)
    return PacketFate.LOST_BEFORE


@contextlib.contextmanager
def open_sender(netns: str) -> Iterator[socket.socket]:
    """Yield a UDP socket inside the namespace, for `send_packet`."""
    with enter_namespace(netns):
        udp_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with udp_socket:
        udp_socket.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, PACKET_HOPS)
        yield udp_socket


def send_packet(udp_socket: socket.socket) -> bool:
    """Send one packet; False if the kernel refuses: a firewall rejected the previous one, or there is no route."""
    try:
        udp_socket.connect(PACKET_TARGET)
        udp_socket.send(b"")
    except OSError:
        return False
    return True


def trace_drop(netns: str, host_link: str) -> TracedDrop | None:
    """Return what drops a packet from inside, None if it is not nftables (or iptables-nft).

    Raises:
        StepError: nft refused.
    """
    output = ""
    with _packets_marked(host_link), nft.monitor_trace() as trace, open_sender(netns) as udp_socket:
        deadline = time.monotonic() + TRACE_DEADLINE_S
        while time.monotonic() < deadline:
            send_packet(udp_socket)
            if select.select([trace], [], [], TRACE_PAUSE_S)[0]:
                output += os.read(trace, TRACE_CHUNK_BYTES).decode(errors="replace")
            if drop := parse_trace(output):
                return drop
    return None


def parse_trace(output: str) -> TracedDrop | None:
    """Return the first drop of a packet in the output of `nft monitor trace` so far."""
    match = DROP_PATTERN.search(output)
    if match is None:
        return None
    rule = re.sub(r" counter packets \d+ bytes \d+", "", match["what"])
    return TracedDrop(match["chain"], rule.removeprefix("rule ").removesuffix("(verdict drop)").strip())


@contextlib.contextmanager
def _packets_marked(host_link: str) -> Iterator[None]:
    nft.run_commands(_marking_commands(host_link))
    try:
        yield
    finally:
        nft.delete_table(TRACE_TABLE)


def _marking_commands(host_link: str) -> tuple[Command, ...]:
    location = {"family": "inet", "table": TRACE_TABLE}
    hook = {
        **location,
        "name": "mark",
        "type": "filter",
        "hook": "prerouting",
        "prio": TRACE_PRIORITY,
        "policy": "accept",
    }
    from_namespace = {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": host_link}}
    mark = {"mangle": {"key": {"meta": {"key": "nftrace"}}, "value": 1}}
    return (
        {"add": {"table": {"family": "inet", "name": TRACE_TABLE}}},
        {"add": {"chain": hook}},
        {"add": {"rule": {**location, "chain": "mark", "expr": [from_namespace, mark]}}},
    )


def find_suspects(
    spec: NamespaceSpec, fate: PacketFate, program: str, table: str, listing: str
) -> Iterable[DroppingRule]:
    """Yield the rules that may drop a test packet, from the `iptables-save` text of one table."""
    for rule in iptables_rules.parse_rules(listing):
        if rule.drops and rule.chain in SUSPECT_CHAINS[fate] and _may_match(spec, rule.text.split()):
            yield DroppingRule(program, table, rule.chain, f"-A {rule.text}")


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


def explain_legacy_drop(spec: NamespaceSpec) -> str | None:
    """Return which rule drops a packet from inside, and the command that lets the namespace pass; None if none does.

    Raises:
        StepError: iptables refused to list a table.
    """
    before = _count_legacy_drops()
    with open_sender(spec.name) as udp_socket:
        for _ in range(LEGACY_PACKETS):
            send_packet(udp_socket)
    candidates = [
        drop for drop, packets in _count_legacy_drops().items() if packets >= before.get(drop, packets) + LEGACY_PACKETS
    ]
    if not candidates:
        return None
    return f"{candidates[0]} drops packets from {spec.name}; run: {candidates[0].fix(spec)}"


def _count_legacy_drops() -> dict[DroppingRule, int]:
    texts = {table: iptables.save_table(IPTABLES_LEGACY, table) for table in iptables.list_legacy_tables()}
    drops_by_table = (iptables_rules.count_drops(IPTABLES_LEGACY, table, text) for table, text in texts.items())
    return {drop: packets for drops in drops_by_table for drop, packets in drops.items()}
