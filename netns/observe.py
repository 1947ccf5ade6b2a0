"""Reads everything on the machine that a plan depends on. Changes nothing."""

from __future__ import annotations

import grp
import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING

from netns import compiler, firewall, firewalld, foreign, iptables, launcher, loaded, network, resolver, tuning
from netns.backend import IPTABLES_LEGACY, IPTABLES_NFT
from netns.file_steps import beside
from netns.handle import is_live
from netns.join import NETNS_ROOT, joined
from netns.model import GROUP, LAST_GROUP, Handle, Launcher, Observed
from netns.network import Network
from netns.pair import IPV6_SWITCH
from netns.plan import ALL_FORWARDING, PING
from netns.routing import EVERYWHERE, PROTOCOL, Route, Routing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netns.model import Link, NamespaceSpec, Uplink
    from netns.network import Address

PROC_SYS = Path("/proc/sys")


def observe(spec: NamespaceSpec) -> Observed:
    """Return the state of the namespace of `spec` and of the host around it.

    Raises:
        MissingToolError: neither nft nor iptables is installed.
        StepError: nft or iptables refused to list its rules.
    """
    handle = _handle(spec.name)
    host = network.read(None)
    inside = network.read(spec.name) if handle is Handle.LIVE else _NOTHING
    uplink = network.uplink(host, spec.uplink, spec.router)
    host_link, inner_link = host.links.get(spec.host_link), inside.links.get(spec.inner_link)
    own_index = host_link.index if host_link else None
    backend = loaded.find_backend()
    rules = loaded.read(spec, backend)
    return Observed(
        boot_id=(PROC_SYS / "kernel/random/boot_id").read_text().strip(),
        uplink=uplink,
        handle=handle,
        host_link=host_link,
        inner_link=inner_link,
        loopback_up="lo" in inside.links and inside.links["lo"].up,
        default_routes=tuple((route.router, route.index) for route in inside.default_routes()),
        sysctls=_sysctls(spec, uplink, handle, inner_link),
        untuned=_untuned(spec.name, handle),
        backend=backend,
        table=None if rules is None else rules.digest,
        firewalls=firewalls(nft=backend.is_nft),
        routing=_routing(host),
        files={path: _text(path) for path in _file_paths(spec)},
        directories=frozenset(path for path in spec.directories if Path(path).is_dir()),
        handles_mounted=_is_mount(NETNS_ROOT),
        networks=tuple(_networks(host, own_index)),
        addresses=frozenset(address.local for address in _foreign_addresses(host, own_index)),
        launcher=_launcher(spec),
        last_group=_last_group(Path("/proc/self/gid_map").read_text()),
    )


_NOTHING = Network({}, (), ())


def _handle(name: str) -> Handle:
    if is_live(name):
        return Handle.LIVE
    return Handle.STALE if (NETNS_ROOT / name).exists() else Handle.MISSING


def _is_mount(path: Path) -> bool:
    """Return whether the kernel lists a mount at this path (proc(5), mountinfo), be it a folder mounted on itself."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return any(mount.split()[4] == str(path) for mount in mounts)


def firewalls(*, nft: bool) -> foreign.Firewalls:
    """Return the other firewalls of this host; `nft`: nft is installed, so nftables can be listed.

    Raises:
        StepError: nft or iptables refused to list its rules.
    """
    base_chains = firewall.filter_chains() if nft else []
    tables = {f"{chain['family']} {chain['table']} {chain['name']}": chain["table"] for chain in base_chains}
    in_use = {
        IPTABLES_NFT: not nft or not foreign.IPTABLES_NFT_CHAINS.isdisjoint(tables),
        IPTABLES_LEGACY: "filter" in iptables.legacy_tables(),
    }
    programs = [program for program, used in in_use.items() if used]
    chains = [chain for name in programs for chain in foreign.iptables_chains(name, iptables.saved(name))]
    listed_by_iptables = (
        foreign.IPTABLES_NFT_CHAINS if any(chain.program == IPTABLES_NFT for chain in chains) else frozenset[str]()
    )
    chains += [
        foreign.nft_chain(firewall.chain(name))
        for name, table in tables.items()
        if name not in listed_by_iptables and not foreign.is_closed(table)
    ]
    return foreign.Firewalls(tuple(chains), firewalld.trusted(has_table="firewalld" in tables.values()))


def _routing(host: Network) -> Routing:
    names = {link.index: name for name, link in host.links.items()}
    routes = [
        Route(route.table, route.network, names.get(route.index or 0) if route.unicast else None, route.router)
        for route in host.routes
        if route.protocol == PROTOCOL
    ]
    return Routing(host.rules, tuple(routes), frozenset(route.table for route in host.routes))


def _sysctls(
    spec: NamespaceSpec, uplink: Uplink | None, handle: Handle, inner_link: Link | None
) -> dict[tuple[str | None, str], str]:
    links = [spec.host_link, *([uplink.link] if uplink else [])]
    host = [ALL_FORWARDING, *(IPV6_SWITCH.format(link) for link in ("all", spec.host_link))]
    host += [f"net/ipv4/conf/{link}/forwarding" for link in (*links, *_links_of_the_host())]
    values: dict[tuple[str | None, str], str] = dict(_read(None, host))
    if handle is Handle.LIVE:
        inside = [IPV6_SWITCH.format(link) for link in ("all", "default", "lo")] + [PING]
        inside += [IPV6_SWITCH.format(spec.inner_link)] if inner_link else []
        values |= dict(_read(spec.name, inside))
    return values


def _links_of_the_host() -> list[str]:
    # The setting of a former uplink may have to be restored, so all links are read.
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
    return (*resolver.SOURCES, resolver.NSSWITCH, *spec.etc_files, *map(beside, spec.etc_files))


def _last_group(gid_map: str) -> int:
    """Return the highest id of a group id map (user_namespaces(7)), at most what ping_group_range accepts."""
    ranges = [[int(word) for word in line.split()] for line in gid_map.splitlines()]
    return min(LAST_GROUP, max(first + count - 1 for first, _outside, count in ranges))


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None


def _networks(host: Network, own_index: int | None) -> Iterator[tuple[ipaddress.IPv4Network, str]]:
    """Yield the networks that a subnet must not overlap, with a description: all routes and addresses except ours."""
    for route in host.routes:
        if route.unicast and route.network != EVERYWHERE and (own_index is None or route.index != own_index):
            yield ipaddress.IPv4Network(route.network, strict=False), f"the host's route to {route.network}"
    for address in _foreign_addresses(host, own_index):
        yield ipaddress.IPv4Interface(address.text).network, f"the address {address.local} of the host"


def _foreign_addresses(host: Network, own_index: int | None) -> list[Address]:
    return [address for address in host.addresses if address.index != own_index]


def _launcher(spec: NamespaceSpec) -> Launcher:
    path = Path(spec.launcher_path)
    state = launcher.state(path, GROUP, spec.name)
    group = next((entry for entry in grp.getgrall() if entry.gr_name == GROUP), None)
    return Launcher(
        present=state.present,
        half_built=launcher.is_half_built(Path(spec.launcher_path)),
        ours=state.ours,
        intact=state.current and state.owner_ok and state.mode_ok and state.capability_ok,
        compiler=compiler.find_compiler() is not None,
        group_exists=group is not None,
        members=frozenset(group.gr_mem) if group else frozenset(),
    )
