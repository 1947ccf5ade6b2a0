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

# IFNAMSIZ leaves 15 characters, and the longer suffix is "-root".
NAME = re.compile(r"[a-z][a-z0-9]{0,9}")
GROUP = "speedmon"
# The highest group id that ping_group_range takes; a user namespace has fewer.
LAST_GROUP = 2_147_483_647
SUBNET = ipaddress.IPv4Network("192.168.200.0/24")
# The longest prefix that still holds a gateway and an address.
LONGEST_PREFIX = 30


class NamespaceSpec(Struct, frozen=True):
    """What the user asked for. `uplink` None follows the default route; `dns` empty takes the host's servers.

    `router` is the one behind a pinned uplink; None where a route of the host tells it.
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
        """The folder whose files are shown over /etc inside; iproute2's convention."""
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
        """The mark on our veth, and the tag of our rules in other firewalls: what tells ours from others'."""
        return f"speedmon:{self.name}"


def parse_spec(name: str, subnet: str, uplink: str, dns: tuple[str, ...] = (), *, router: str = "") -> NamespaceSpec:
    """Return the spec of texts as a user writes them; `uplink` may be "auto", and `router` empty.

    Raises:
        SpecError: naming the text that cannot be used and what would do.
    """
    if not NAME.fullmatch(name):
        raise SpecError(
            f"{name!r} cannot name a namespace: use a letter, then up to 9 letters or digits, all lower case"
        )
    if router and uplink == "auto":
        raise SpecError(f"router {router} is of no use without an uplink: name its interface with --uplink")
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
        raise SpecError(f"name server {text!r} is not an IPv4 address, and the namespace has nothing else") from None


@dataclass(frozen=True, slots=True)
class Uplink:
    """The interface to the internet: what the namespace is masqueraded to, and the router behind it.

    `routes` are what a table of the namespace's own is to hold, as networks and routers, where it must not follow the
    host: none to 0.0.0.0/0 among them when no way to the internet is known. They are None where the host's tables do.
    """

    link: str
    mtu: int
    router: str | None = None
    routes: tuple[tuple[str, str | None], ...] | None = dataclasses.field(default=None, repr=False)

    @property
    def leads_out(self) -> bool:
        """Whether a way to the internet is known."""
        return self.routes is None or EVERYWHERE in dict(self.routes)


class Link(Struct, frozen=True):
    """An interface as the kernel shows it; `addresses` are IPv4 with prefix length."""

    index: int
    kind: str | None
    up: bool
    mtu: int
    point_to_point: bool = False
    peer_index: int | None = None
    alias: str | None = None
    addresses: frozenset[str] = frozenset()


class Handle(Enum):
    """What lies at /run/netns/NAME: nothing, a plain file that a crash left, or a live network namespace."""

    MISSING = "missing"
    STALE = "stale"
    LIVE = "live"


class Launcher(Struct, frozen=True):
    """The launcher and its group as found. `sound`: current, root-owned, right mode and capability.

    `half`: an installation that was killed left its new file, or the folder in which it was being built.
    """

    present: bool = False
    half_built: bool = False
    ours: bool = False
    intact: bool = False
    compiler: bool = True
    group_exists: bool = False
    members: frozenset[str] = frozenset()


class Observed(Struct, frozen=True):
    """Everything of the host that a plan depends on.

    `sysctls` maps (namespace or None, path below /proc/sys) to the value found; `files` maps a path to its text, None
    where there is none; `backend` is the program for our rules, `table` the digest of them as it lists them, None where
    there are none; `firewalls` are the others that forwarded packets have to pass. `networks` are the host's routes and
    addresses apart from ours, each with where it was found; `untuned` are the TCP and UDP settings that differ inside;
    `last_group` is the highest group id that exists where set-up runs.
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
    """What earlier calls did to this machine, so that it can be taken back; kept in a file (`netns.journal`).

    `sysctls` maps a path below /proc/sys of the host to what it was; it is void after a reboot, which `boot_id` tells,
    as are the digests: `ruleset` of the rules we loaded, `table` of the listing the kernel gave back for them, and the
    `program` that holds them. `members`: whom we put into the launcher's group.
    `mounted_handles`: the first namespace made a mount of /run/netns. `trusted`: the sources that firewalld trusts
    because of us, also after a reboot. `uplink` is the one that was set up, `route_table` the number of the routing
    table of a pinned namespace.
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
