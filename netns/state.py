"""What was observed of the host and of the namespace, and the journal's record. Pure data.

`netns.observe` and the parsers of `netns.firewall` and `netns.kernel` fill it in; `netns.plan` compares it with the
spec. Our own policy rules and routes carry a protocol number (ip-route(8), "protocol"), by which they are recognised.
"""

from __future__ import annotations

import dataclasses
import ipaddress  # noqa: TC003  annotations are read at run time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping

# The highest group id that ping_group_range accepts; a user namespace has fewer groups.
MAX_GROUP_ID = 2_147_483_647

# Unused in /etc/iproute2/rt_protos; routing daemons remove only what has their own number.
ROUTE_PROTOCOL = 115
DEFAULT_NETWORK = "0.0.0.0/0"

# The bit of a packet's mark that says, while our rules are loaded, that they look after what the uplink forwards.
GUARD_MARK = 0x10000000

# The router of packets that nobody looks after: an address that no host may have (RFC 7600), beyond our own link.
DEAD_END = "192.0.0.8"

# The programs that can hold our firewall rules.
NFT, IPTABLES_NFT, IPTABLES_LEGACY = "nft", "iptables-nft", "iptables-legacy"


@dataclass(frozen=True, slots=True)
class Uplink:
    """The interface to the internet, to which the namespace is masqueraded, and its router.

    `routes` is the content of a routing table of the namespace's own, as (network, router), for a pinned uplink;
    without 0.0.0.0/0 if no route to the internet is known. None if the host's own tables are used.
    """

    link: str
    mtu: int
    router: str | None = None
    routes: tuple[tuple[str, str | None], ...] | None = dataclasses.field(default=None, repr=False)

    @property
    def leads_out(self) -> bool:
        """Whether a route to the internet is known."""
        return self.routes is None or DEFAULT_NETWORK in dict(self.routes)


class Link(Struct, frozen=True):
    """An interface as reported by the kernel; `addresses` are IPv4 addresses with prefix length."""

    index: int
    kind: str | None
    up: bool
    mtu: int
    point_to_point: bool = False
    peer_index: int | None = None
    alias: str | None = None
    addresses: frozenset[str] = frozenset()


class HandleState(Enum):
    """What is at /run/netns/NAME: nothing, a plain file that a crash left, or a live network namespace."""

    MISSING = "missing"
    STALE = "stale"
    LIVE = "live"


class ObservedLauncher(Struct, frozen=True):
    """The launcher and its group as they are now. `intact`: current, root-owned, right mode and capability.

    `half_built`: an installation that was killed left its temporary file or its build folder.
    """

    present: bool = False
    half_built: bool = False
    ours: bool = False
    intact: bool = False
    compiler: bool = True
    group_exists: bool = False
    members: frozenset[str] = frozenset()


class PolicyRule(Struct, frozen=True):
    """An IPv4 policy rule: packets received on `link` from `source` (None: any) are looked up in `table`."""

    priority: int
    table: int
    link: str | None = None
    source: str | None = None
    protocol: int = ROUTE_PROTOCOL


class UnmarkedRule(PolicyRule, frozen=True):
    """A policy rule for packets whose mark has none of the bits of `mask`."""

    mask: int = GUARD_MARK


class TableRoute(Struct, frozen=True):
    """A route of ours in a table; without a link it is the unreachable route that comes last."""

    table: int
    network: str
    link: str | None = None
    router: str | None = None


class PolicyRouting(Struct, frozen=True):
    """The host's policy rules, our own routes, and the numbers of all tables that contain any route."""

    rules: tuple[PolicyRule, ...] = ()
    routes: tuple[TableRoute, ...] = ()
    tables: frozenset[int] = frozenset()


class ChainRule(Struct, frozen=True):
    """A rule in a chain of another firewall, perhaps ours; `may_drop`: it, or a chain it jumps to, can drop packets."""

    comment: str = ""
    may_drop: bool = False
    target: str = ""


class FilterChain(Struct, frozen=True):
    """A chain for packets from the namespace that are forwarded or, with `hook` input, sent to the host itself.

    `program` changes it: nft, iptables-nft or iptables-legacy; `name` is its name there, for nft with family and
    table, such as "inet filter forward".
    """

    program: str
    name: str
    drops: bool = False
    rules: tuple[ChainRule, ...] = ()
    hook: str = "forward"

    @property
    def may_drop(self) -> bool:
        """Whether a packet can be dropped here."""
        return self.drops or any(rule.may_drop for rule in self.rules)


class FirewallState(Struct, frozen=True):
    """The other firewalls of this host; `trusted`: the sources that firewalld trusts, None if it is not running."""

    chains: tuple[FilterChain, ...] = ()
    trusted: frozenset[str] | None = None


class Backend(Struct, frozen=True):
    """The program that holds our rules: nft if it is installed, else the host's kind of iptables.

    `ipv6`: it filters IPv6 as well; iptables does if ip6tables is installed.
    """

    program: str = NFT
    ipv6: bool = True

    @property
    def is_nft(self) -> bool:
        """Whether our rules are an nftables table of their own rather than iptables chains."""
        return self.program == NFT


class ObservedState(Struct, frozen=True):
    """Everything on the host that a plan depends on.

    `sysctls` maps (namespace or None, path below /proc/sys) to the value; `files` maps a path to its text, None if it
    does not exist; `backend` is the program for our rules, `table` the digest of the rules it lists, None for none;
    `firewalls` are the other firewalls. `networks` are the host's routes and addresses except ours, each with a
    description; `link_indexes` are the interfaces of the host; `untuned` the TCP and UDP sysctls that differ inside;
    `last_group` is the highest group id in the user namespace of this process.
    """

    boot_id: str = ""
    uplink: Uplink | None = None
    handle: HandleState = HandleState.MISSING
    host_link: Link | None = None
    inner_link: Link | None = None
    loopback_up: bool = False
    default_routes: tuple[tuple[str | None, int | None], ...] = ()
    sysctls: Mapping[tuple[str | None, str], str] = field(default_factory=dict)
    link_indexes: Mapping[str, int] = field(default_factory=dict)
    untuned: tuple[str, ...] = ()
    backend: Backend = field(default_factory=Backend)
    table: str | None = None
    firewalls: FirewallState = field(default_factory=FirewallState)
    routing: PolicyRouting = field(default_factory=PolicyRouting)
    files: Mapping[str, str | None] = field(default_factory=dict)
    directories: frozenset[str] = frozenset()
    handles_mounted: bool = False
    networks: tuple[tuple[ipaddress.IPv4Network, str], ...] = ()
    addresses: frozenset[str] = frozenset()
    launcher: ObservedLauncher = ObservedLauncher()
    last_group: int = MAX_GROUP_ID


class Journal(Struct, frozen=True):
    """What earlier calls did to this machine, so that it can be undone; stored in a file (`netns.journal`).

    `sysctls` maps a path below /proc/sys of the host to its former value. It is only valid for the boot of `boot_id`,
    as are `ruleset`, the digest of the rules we loaded, `table`, the digest of the listing after loading them, and
    `program`, which holds them. `members`: the users that we added to the launcher's group. `mounted_handles`: the
    first namespace mounted /run/netns. `trusted`: the sources that we added to firewalld's trusted zone, permanently.
    `uplink` is the one of the last set-up, `route_table` the number of a pinned namespace's routing table,
    `guard_table` of the one for packets that nobody looks after. `links` are the indexes of the interfaces whose
    sysctls were changed: an interface keeps its index when it is renamed.
    """

    boot_id: str = ""
    sysctls: dict[str, str] = field(default_factory=dict)
    ruleset: str | None = None
    table: str | None = None
    program: str = NFT
    made_group: bool = False
    members: tuple[str, ...] = ()
    made_directories: tuple[str, ...] = ()
    mounted_handles: bool = False
    trusted: tuple[str, ...] = ()
    uplink: str | None = None
    route_table: int | None = None
    guard_table: int | None = None
    links: dict[str, int] = field(default_factory=dict)
