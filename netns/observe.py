"""Look at the machine: everything that a plan depends on, read once. Changes nothing."""

from __future__ import annotations

import grp
import ipaddress
from pathlib import Path
from socket import AF_INET
from typing import TYPE_CHECKING, Any

from netns import firewall, firewalld, foreign, iptables, launcher, resolver, ruleset, tuning
from netns.handle import is_live
from netns.join import NETNS_ROOT, joined
from netns.model import GROUP, LAST_GROUP, STATE_DIRECTORIES, Handle, Launcher, Link, Observed, Uplink
from netns.plan import ALL_FORWARDING, IPV6_SWITCH, PING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyroute2 import IPRoute

    from netns.apply import Kernel
    from netns.model import NamespaceSpec

PROC_SYS = Path("/proc/sys")
MAIN_TABLE = 254
UP = 1  # IFF_UP of linux/if.h
UNICAST = 1  # RTN_UNICAST of linux/rtnetlink.h


def observe(spec: NamespaceSpec, kernel: Kernel) -> Observed:
    """Return what is there of `spec` and around it.

    Raises:
        MissingToolError: nft is not installed.
        StepError: nft or iptables refused to list what it has.
    """
    handle = _handle(spec.name)
    host = kernel.socket(None)
    uplink = _uplink(spec, host)
    inner = kernel.socket(spec.name) if handle is Handle.LIVE else None
    inner_link = _link(inner, spec.inner_link)
    listing = firewall.listing(spec.table)
    addresses = list(_addresses(host, spec))
    return Observed(
        boot_id=(PROC_SYS / "kernel/random/boot_id").read_text().strip(),
        uplink=uplink,
        handle=handle,
        host_link=_link(host, spec.host_link),
        inner_link=inner_link,
        loopback_up=(_link(inner, "lo") or _NOTHING).up,
        default_routes=_default_routes(inner),
        sysctls=_sysctls(spec, uplink, handle, inner_link),
        untuned=_untuned(spec.name, handle),
        table=None if listing is None else ruleset.digest(listing),
        firewalls=_firewalls(),
        files={path: _text(path) for path in _file_paths(spec)},
        directories=frozenset(path for path in (*spec.directories, *STATE_DIRECTORIES) if Path(path).is_dir()),
        handles_mounted=_is_mount(NETNS_ROOT),
        networks=(*_routes(host, spec), *((address.network, where) for address, where in addresses)),
        addresses=frozenset(str(address.ip) for address, _ in addresses),
        launcher=_launcher(spec),
        last_group=_last_group(Path("/proc/self/gid_map").read_text()),
    )


_NOTHING = Link(index=0, kind=None, up=False, mtu=0)


def _handle(name: str) -> Handle:
    if is_live(name):
        return Handle.LIVE
    return Handle.STALE if (NETNS_ROOT / name).exists() else Handle.MISSING


def _is_mount(path: Path) -> bool:
    """Tell from the kernel's list (proc(5), mountinfo), which also has a folder that is mounted on itself."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return any(mount.split()[4] == str(path) for mount in mounts)


def _uplink(spec: NamespaceSpec, host: IPRoute) -> Uplink | None:
    routes = sorted(_via_default(host), key=lambda route: route.get("priority") or 0)
    if spec.uplink is not None:
        link = _link(host, spec.uplink)
        routers = (route.get("gateway") for route in routes if link and route.get("oif") == link.index)
        return None if link is None else Uplink(spec.uplink, link.mtu, next(routers, None))
    for route in routes:
        name, mtu = _name_and_mtu(host, route.get("oif"))
        if name and name != spec.host_link:
            return Uplink(name, mtu, route.get("gateway"))
    return None


def _via_default(host: IPRoute) -> Iterator[dict[str, Any]]:
    """Yield the IPv4 default routes of the main table; one with several next hops yields each of them."""
    for route in host.get_default_routes(family=AF_INET, table=MAIN_TABLE):
        if route["type"] != UNICAST:
            continue
        for hop in route.get("multipath") or [route]:
            yield {"priority": route.get("priority"), "oif": hop.get("oif"), "gateway": hop.get("gateway")}


def _name_and_mtu(host: IPRoute, index: int | None) -> tuple[str | None, int]:
    found = list(host.get_links(index)) if index else []
    return (found[0].get("ifname"), found[0].get("mtu")) if found else (None, 0)


def _link(socket: IPRoute | None, name: str) -> Link | None:
    if socket is None:
        return None
    for index in socket.link_lookup(ifname=name):
        found = socket.get_links(index)[0]
        return Link(
            index=index,
            kind=found.get(("linkinfo", "kind")),
            up=bool(found["flags"] & UP),
            mtu=found.get("mtu"),
            peer_index=found.get("link"),
            alias=found.get("ifalias"),
            addresses=frozenset(
                f"{address.get('address')}/{address['prefixlen']}"
                for address in socket.get_addr(family=AF_INET, index=index)
            ),
        )
    return None


def _default_routes(inner: IPRoute | None) -> tuple[tuple[str | None, int | None], ...]:
    if inner is None:
        return ()
    return tuple((route.get("gateway"), route.get("oif")) for route in inner.get_default_routes(family=AF_INET))


def _firewalls() -> foreign.Firewalls:
    found = {
        f"{chain['family']} {chain['table']} {chain['name']}": chain["table"] for chain in firewall.forward_chains()
    }
    in_use = {iptables.NFT: foreign.IPTABLES_NFT_CHAIN in found, iptables.LEGACY: "filter" in iptables.legacy_tables()}
    programs = [program for program, used in in_use.items() if used]
    chains = [chain for name in programs for chain in foreign.iptables_chains(name, iptables.saved(name))]
    shown = {foreign.IPTABLES_NFT_CHAIN} if any(chain.program == iptables.NFT for chain in chains) else set()
    chains += [
        foreign.nft_chain(firewall.chain(name))
        for name, table in found.items()
        if name not in shown and not foreign.is_closed(table)
    ]
    return foreign.Firewalls(tuple(chains), firewalld.trusted(has_table="firewalld" in found.values()))


def _sysctls(
    spec: NamespaceSpec, uplink: Uplink | None, handle: Handle, inner_link: Link | None
) -> dict[tuple[str | None, str], str]:
    links = [spec.host_link, *([uplink.link] if uplink else [])]
    host = [ALL_FORWARDING, *(IPV6_SWITCH.format(link) for link in ("all", spec.host_link))]
    host += [f"net/ipv4/conf/{link}/forwarding" for link in (*links, *_links_of_the_host())]
    found: dict[tuple[str | None, str], str] = dict(_read(None, host))
    if handle is Handle.LIVE:
        inside = [IPV6_SWITCH.format(link) for link in ("all", "default", "lo")] + [PING]
        inside += [IPV6_SWITCH.format(spec.inner_link)] if inner_link else []
        found |= dict(_read(spec.name, inside))
    return found


def _links_of_the_host() -> list[str]:
    # An uplink of the past may have to be put back, so all are read.
    return [path.name for path in (PROC_SYS / "net/ipv4/conf").iterdir()]


def _read(netns: str | None, keys: Iterable[str]) -> list[tuple[tuple[str | None, str], str]]:
    with joined(netns):
        paths = [(key, PROC_SYS / key) for key in keys]
        return [((netns, key), path.read_text().strip()) for key, path in paths if path.exists()]


def _untuned(name: str, handle: Handle) -> tuple[str, ...]:
    host = {key: value for (_, key), value in _read(None, tuning.KEYS)}
    if handle is not Handle.LIVE:
        return tuple(host)
    inside = {key: value for (_, key), value in _read(name, host)}
    return tuple(key for key, value in inside.items() if value.split() != host[key].split())


def _file_paths(spec: NamespaceSpec) -> tuple[str, ...]:
    return (*resolver.SOURCES, resolver.NSSWITCH, f"{spec.etc}/resolv.conf", f"{spec.etc}/nsswitch.conf")


def _last_group(gid_map: str) -> int:
    """Return the highest id of a map of group ids (user_namespaces(7)), as far as ping_group_range takes it."""
    ranges = [[int(word) for word in line.split()] for line in gid_map.splitlines()]
    return min(LAST_GROUP, max(first + count - 1 for first, _outside, count in ranges))


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None


def _addresses(host: IPRoute, spec: NamespaceSpec) -> Iterator[tuple[ipaddress.IPv4Interface, str]]:
    ours = host.link_lookup(ifname=spec.host_link)
    for address in host.get_addr(family=AF_INET):
        if address["index"] not in ours:
            local = address.get("local") or address.get("address")
            yield ipaddress.IPv4Interface(f"{local}/{address['prefixlen']}"), f"the address {local} of the host"


def _routes(host: IPRoute, spec: NamespaceSpec) -> Iterator[tuple[ipaddress.IPv4Network, str]]:
    ours = host.link_lookup(ifname=spec.host_link)
    for route in host.get_routes(family=AF_INET):
        destination = route.get("dst")
        if destination is None or route["type"] != UNICAST or route.get("oif") in ours:
            continue
        network = ipaddress.IPv4Network(f"{destination}/{route['dst_len']}", strict=False)
        yield network, f"the host's route to {network}"


def _launcher(spec: NamespaceSpec) -> Launcher:
    path = Path(spec.launcher_path)
    state = launcher.state(path, GROUP, spec.name)
    group = next((entry for entry in grp.getgrall() if entry.gr_name == GROUP), None)
    return Launcher(
        present=state.present,
        ours=state.ours,
        sound=state.current and state.owner_ok and state.mode_ok and state.capability_ok,
        compiler=launcher.find_compiler() is not None,
        group_exists=group is not None,
        members=frozenset(group.gr_mem) if group else frozenset(),
    )
