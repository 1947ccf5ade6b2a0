"""The wanted and the observed state of one namespace, as frozen data. `netns.plan` turns the difference into steps."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from msgspec import Struct, field

from netns.backend import NFT, Backend
from netns.errors import SpecError
from netns.foreign import Firewalls
from netns.routing import EVERYWHERE, Routing

if TYPE_CHECKING:
    from collections.abc import Mapping

# At most 10 characters: IFNAMSIZ allows 15 for a link, and the longer suffix is "-root".
NAME = re.compile(r"[a-z][a-z0-9]{0,9}")
GROUP = "speedmon"
# The highest group id that ping_group_range accepts; a user namespace has fewer groups.
LAST_GROUP = 2_147_483_647
SUBNET = ipaddress.IPv4Network("192.168.200.0/24")
# The longest prefix with room for a gateway and one more address.
LONGEST_PREFIX = 30


class NamespaceSpec(Struct, frozen=True):
    """What the user asked for. `uplink` None follows the default route; empty `dns` uses the host's servers.

    `router` is the next hop on a pinned uplink; None to take it from a route of the host.
    """

    name: str = "ip4only"
    subnet: ipaddress.IPv4Network = SUBNET
    uplink: str | None = None
    router: str | None = None
    dns: tuple[ipaddress.IPv4Address, ...] = ()
    launcher: bool = True
    members: tuple[str, ...] = ()

    @property
    def host_link(self) -> str:
        """The end of the veth pair on the host."""
        return f"{self.name}-root"

    @property
    def inner_link(self) -> str:
        """The end of the veth pair in the namespace."""
        return f"{self.name}-ns"

    @property
    def gateway(self) -> str:
        """The host's address, with its prefix length."""
        return f"{self.subnet[1]}/{self.subnet.prefixlen}"

    @property
    def address(self) -> str:
        """The namespace's address, with its prefix length."""
        return f"{self.subnet[2]}/{self.subnet.prefixlen}"

    @property
    def table(self) -> str:
        """The nftables table of this namespace (family inet)."""
        return "speedmon" if self.name == "ip4only" else f"speedmon_{self.name}"

    @property
    def etc(self) -> str:
        """The folder with files that replace those of /etc inside; iproute2's convention."""
        return f"/etc/netns/{self.name}"

    @property
    def etc_files(self) -> tuple[str, str]:
        """The files that set-up writes there."""
        return f"{self.etc}/resolv.conf", f"{self.etc}/nsswitch.conf"

    @property
    def directories(self) -> tuple[str, ...]:
        """The folders that set-up needs, parents first."""
        return ("/run/netns", "/etc/netns", self.etc)

    @property
    def launcher_path(self) -> str:
        """Where the launcher of this namespace is installed."""
        return f"/usr/local/bin/{self.name}"

    @property
    def alias(self) -> str:
        """The alias of our veth and the tag of our rules in other firewalls, by which ours are recognised."""
        return f"speedmon:{self.name}"


def parse_spec(name: str, subnet: str, uplink: str, dns: tuple[str, ...] = (), *, router: str = "") -> NamespaceSpec:
    """Return the spec from the texts of a configuration; `uplink` may be "auto", `router` may be empty.

    Raises:
        SpecError: a text cannot be used; the message says what is accepted.
    """
    if not NAME.fullmatch(name):
        raise SpecError(
            f"{name!r} cannot name a namespace: use a letter, then up to 9 letters or digits, all lower case"
        )
    if router and uplink == "auto":
        raise SpecError(f"router {router} has no effect without an uplink: name its interface with --uplink")
    return NamespaceSpec(
        name=name,
        subnet=_parse_subnet(subnet),
        uplink=None if uplink == "auto" else uplink,
        router=_parse_router(router) if router else None,
        dns=tuple(_parse_server(server) for server in dns),
    )


def _parse_subnet(text: str) -> ipaddress.IPv4Network:
    try:
        subnet = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise SpecError(f"subnet {text!r} is not an IPv4 network such as 192.168.200.0/24: {error}") from None
    if subnet.prefixlen > LONGEST_PREFIX:
        raise SpecError(f"subnet {text} is too small: it must hold two hosts (/{LONGEST_PREFIX} or shorter)")
    return subnet


def _parse_router(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise SpecError(f"router {text!r} is not an IPv4 address such as 192.168.1.1") from None


def _parse_server(text: str) -> ipaddress.IPv4Address:
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        raise SpecError(f"name server {text!r} is not an IPv4 address, and the namespace has IPv4 only") from None


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
        return self.routes is None or EVERYWHERE in dict(self.routes)


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


class Handle(Enum):
    """What is at /run/netns/NAME: nothing, a plain file that a crash left, or a live network namespace."""

    MISSING = "missing"
    STALE = "stale"
    LIVE = "live"


class Launcher(Struct, frozen=True):
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


class Observed(Struct, frozen=True):
    """Everything on the host that a plan depends on.

    `sysctls` maps (namespace or None, path below /proc/sys) to the value; `files` maps a path to its text, None if it
    does not exist; `backend` is the program for our rules, `table` the digest of the rules it lists, None for none;
    `firewalls` are the other firewalls. `networks` are the host's routes and addresses except ours, each with a
    description; `untuned` are the TCP and UDP sysctls that differ inside; `last_group` is the highest group id in the
    user namespace of this process.
    """

    boot_id: str = ""
    uplink: Uplink | None = None
    handle: Handle = Handle.MISSING
    host_link: Link | None = None
    inner_link: Link | None = None
    loopback_up: bool = False
    default_routes: tuple[tuple[str | None, int | None], ...] = ()
    sysctls: Mapping[tuple[str | None, str], str] = field(default_factory=dict)
    untuned: tuple[str, ...] = ()
    backend: Backend = field(default_factory=Backend)
    table: str | None = None
    firewalls: Firewalls = field(default_factory=Firewalls)
    routing: Routing = field(default_factory=Routing)
    files: Mapping[str, str | None] = field(default_factory=dict)
    directories: frozenset[str] = frozenset()
    handles_mounted: bool = False
    networks: tuple[tuple[ipaddress.IPv4Network, str], ...] = ()
    addresses: frozenset[str] = frozenset()
    launcher: Launcher = Launcher()
    last_group: int = LAST_GROUP


class Journal(Struct, frozen=True):
    """What earlier calls did to this machine, so that it can be undone; stored in a file (`netns.journal`).

    `sysctls` maps a path below /proc/sys of the host to its former value. It is only valid for the boot of `boot_id`,
    as are `ruleset`, the digest of the rules we loaded, `table`, the digest of the listing after loading them, and
    `program`, which holds them. `members`: the users that we added to the launcher's group. `mounted_handles`: the
    first namespace mounted /run/netns. `trusted`: the sources that we added to firewalld's trusted zone, permanently.
    `uplink` is the one of the last set-up, `route_table` the number of a pinned namespace's routing table.
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
