"""NamespaceSpec: what the user asked for, parsed and checked."""

from __future__ import annotations

import ipaddress
import re

from msgspec import Struct

from netns.errors import SpecError

# At most 10 characters: IFNAMSIZ allows 15 for a link, and the longer suffix is "-root".
NAME_PATTERN = re.compile(r"[a-z][a-z0-9]{0,9}")
GROUP = "speedmon"

DEFAULT_SUBNET = ipaddress.IPv4Network("192.168.200.0/24")

# The longest prefix with room for a gateway and one more address.
LONGEST_PREFIX = 30


class NamespaceSpec(Struct, frozen=True):
    """What the user asked for. `uplink` None follows the default route; empty `dns` uses the host's servers.

    `router` is the next hop on a pinned uplink; None to take it from a route of the host.
    """

    name: str = "ip4only"
    subnet: ipaddress.IPv4Network = DEFAULT_SUBNET
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
    if not NAME_PATTERN.fullmatch(name):
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


def temporary_path(path: str) -> str:
    """Return where a file is written before it is renamed to `path`; a process that is killed may leave it there."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/.{name}.speedmon"
