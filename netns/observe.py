"""Reads everything on the machine that a plan depends on. Changes nothing."""

from __future__ import annotations

import grp
import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING

from netns import resolver
from netns.firewall import firewalld, iptables, iptables_rules, loaded
from netns.firewall.nft import is_closed_table, list_chain, list_filter_chains, parse_chain
from netns.firewall.rules import IPTABLES_NFT_CHAINS
from netns.kernel import network
from netns.kernel.handle import RUN_NETNS, handle_path, is_live
from netns.kernel.namespaces import enter_namespace
from netns.kernel.network import NetworkState
from netns.launcher import install
from netns.plan.planner import ALL_FORWARDING, DISABLE_IPV6_KEY, PING_GROUP_RANGE
from netns.spec import GROUP, temporary_path
from netns.state import (
    DEFAULT_NETWORK,
    IPTABLES_LEGACY,
    IPTABLES_NFT,
    MAX_GROUP_ID,
    ROUTE_PROTOCOL,
    FirewallState,
    HandleState,
    ObservedLauncher,
    ObservedState,
    PolicyRouting,
    TableRoute,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netns.kernel.network import LinkAddress
    from netns.spec import NamespaceSpec
    from netns.state import Link, Uplink

PROC_SYS = Path("/proc/sys")

_EMPTY_NETWORK = NetworkState({}, (), ())

# The sysctls that set-up copies from the host, because they change what a test inside measures: a new namespace has the
# kernel's defaults.
TUNING_KEYS = tuple(
    f"net/ipv4/{name}"
    for name in (
        "ip_default_ttl",
        "ip_local_port_range",
        "ip_no_pmtu_disc",
        "tcp_adv_win_scale",
        "tcp_app_win",
        "tcp_base_mss",
        "tcp_congestion_control",
        "tcp_dsack",
        "tcp_early_retrans",
        "tcp_ecn",
        "tcp_fastopen",
        "tcp_frto",
        "tcp_limit_output_bytes",
        "tcp_min_tso_segs",
        "tcp_moderate_rcvbuf",
        "tcp_mtu_probing",
        "tcp_no_metrics_save",
        "tcp_notsent_lowat",
        "tcp_pacing_ca_ratio",
        "tcp_pacing_ss_ratio",
        "tcp_recovery",
        "tcp_reordering",
        "tcp_rmem",
        "tcp_sack",
        "tcp_slow_start_after_idle",
        "tcp_syn_retries",
        "tcp_timestamps",
        "tcp_tso_win_divisor",
        "tcp_window_scaling",
        "tcp_wmem",
        "udp_rmem_min",
        "udp_wmem_min",
    )
)


def observe_machine(spec: NamespaceSpec) -> ObservedState:
    """Return the state of the namespace of `spec` and of the host around it.

    Raises:
        MissingToolError: neither nft nor iptables is installed.
        StepError: nft or iptables refused to list its rules.
    """
    handle = _observe_handle(spec.name)
    host = network.read_network(None)
    inside = network.read_network(spec.name) if handle is HandleState.LIVE else _EMPTY_NETWORK
    uplink = network.find_uplink(host, spec.uplink, spec.router)
    host_link, inner_link = host.links.get(spec.host_link), inside.links.get(spec.inner_link)
    own_index = host_link.index if host_link else None
    backend = loaded.find_backend()
    own_rules = loaded.read_loaded(spec, backend)
    return ObservedState(
        boot_id=(PROC_SYS / "kernel/random/boot_id").read_text().strip(),
        uplink=uplink,
        handle=handle,
        host_link=host_link,
        inner_link=inner_link,
        loopback_up="lo" in inside.links and inside.links["lo"].up,
        default_routes=tuple((route.router, route.index) for route in inside.default_routes()),
        sysctls=_observe_sysctls(spec, uplink, handle, inner_link),
        link_indexes={name: link.index for name, link in host.links.items()},
        untuned=_find_untuned_keys(spec.name, handle),
        backend=backend,
        table=own_rules.digest if own_rules else None,
        firewalls=observe_other_firewalls(nft=backend.is_nft),
        routing=_observe_routing(host),
        files={path: _read_text(path) for path in _observed_file_paths(spec)},
        directories=frozenset(path for path in spec.directories if Path(path).is_dir()),
        handles_mounted=_is_mount_point(RUN_NETNS),
        networks=tuple(_used_networks(host, own_index)),
        addresses=frozenset(address.local for address in _other_addresses(host, own_index)),
        launcher=_observe_launcher(spec),
        last_group=_parse_last_group(Path("/proc/self/gid_map").read_text()),
    )


def _observe_handle(name: str) -> HandleState:
    if is_live(name):
        return HandleState.LIVE
    return HandleState.STALE if Path(handle_path(name)).exists() else HandleState.MISSING


def _is_mount_point(path: str) -> bool:
    """Return whether the kernel lists a mount at this path (proc(5), mountinfo), be it a folder mounted on itself."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return any(mount.split()[4] == path for mount in mounts)


def observe_other_firewalls(*, nft: bool) -> FirewallState:
    """Return the other firewalls of this host; `nft`: nft is installed, so nftables can be listed.

    Raises:
        StepError: nft or iptables refused to list its rules.
    """
    base_chains = list_filter_chains() if nft else []
    tables = {f"{chain['family']} {chain['table']} {chain['name']}": chain["table"] for chain in base_chains}
    in_use = {
        IPTABLES_NFT: not nft or not IPTABLES_NFT_CHAINS.isdisjoint(tables),
        IPTABLES_LEGACY: "filter" in iptables.list_legacy_tables(),
    }
    programs = [program for program, used in in_use.items() if used]
    chains = [chain for name in programs for chain in iptables_rules.parse_chains(name, iptables.save_table(name))]
    is_listed_by_iptables = any(chain.program == IPTABLES_NFT for chain in chains)
    chains += [
        parse_chain(list_chain(name))
        for name, table in tables.items()
        if not (is_listed_by_iptables and name in IPTABLES_NFT_CHAINS) and not is_closed_table(table)
    ]
    return FirewallState(tuple(chains), firewalld.list_trusted_sources(has_table="firewalld" in tables.values()))


def _observe_routing(host: NetworkState) -> PolicyRouting:
    names = {link.index: name for name, link in host.links.items()}
    routes = [
        TableRoute(route.table, route.network, names.get(route.index or 0) if route.unicast else None, route.router)
        for route in host.routes
        if route.protocol == ROUTE_PROTOCOL
    ]
    return PolicyRouting(host.rules, tuple(routes), frozenset(route.table for route in host.routes))


def _observe_sysctls(
    spec: NamespaceSpec, uplink: Uplink | None, handle: HandleState, inner_link: Link | None
) -> dict[tuple[str | None, str], str]:
    links = [spec.host_link, *([uplink.link] if uplink else [])]
    host = [ALL_FORWARDING, *(DISABLE_IPV6_KEY.format(link) for link in ("all", spec.host_link))]
    host += [f"net/ipv4/conf/{link}/forwarding" for link in (*links, *_host_link_names())]
    values: dict[tuple[str | None, str], str] = dict(_read_sysctls(None, host))
    if handle is HandleState.LIVE:
        inside = [DISABLE_IPV6_KEY.format(link) for link in ("all", "default", "lo")] + [PING_GROUP_RANGE]
        inside += [DISABLE_IPV6_KEY.format(spec.inner_link)] if inner_link else []
        values |= dict(_read_sysctls(spec.name, inside))
    return values


def _host_link_names() -> list[str]:
    # The setting of a former uplink may have to be restored, so all links are read.
    return [path.name for path in (PROC_SYS / "net/ipv4/conf").iterdir()]


def _read_sysctls(netns: str | None, keys: Iterable[str]) -> list[tuple[tuple[str | None, str], str]]:
    with enter_namespace(netns):
        paths = [(key, PROC_SYS / key) for key in keys]
        return [((netns, key), path.read_text().strip()) for key, path in paths if path.exists()]


def _find_untuned_keys(name: str, handle: HandleState) -> tuple[str, ...]:
    host = {key: value for (_, key), value in _read_sysctls(None, TUNING_KEYS)}
    if handle is not HandleState.LIVE:
        return tuple(host)
    inside = {key: value for (_, key), value in _read_sysctls(name, host)}
    return tuple(key for key, value in inside.items() if value.split() != host[key].split())


def _observed_file_paths(spec: NamespaceSpec) -> tuple[str, ...]:
    return (*resolver.SOURCES, resolver.NSSWITCH, *spec.etc_files, *map(temporary_path, spec.etc_files))


def _parse_last_group(gid_map: str) -> int:
    """Return the highest id of a group id map (user_namespaces(7)), at most what ping_group_range accepts."""
    ranges = [[int(word) for word in line.split()] for line in gid_map.splitlines()]
    return min(MAX_GROUP_ID, max(first + count - 1 for first, _outside, count in ranges))


def _read_text(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None


def _used_networks(host: NetworkState, own_index: int | None) -> Iterator[tuple[ipaddress.IPv4Network, str]]:
    """Yield the networks that a subnet must not overlap, with a description: all routes and addresses except ours."""
    for route in host.routes:
        if route.unicast and route.network != DEFAULT_NETWORK and (own_index is None or route.index != own_index):
            yield ipaddress.IPv4Network(route.network, strict=False), f"the host's route to {route.network}"
    for address in _other_addresses(host, own_index):
        yield ipaddress.IPv4Interface(address.text).network, f"the address {address.local} of the host"


def _other_addresses(host: NetworkState, own_index: int | None) -> list[LinkAddress]:
    return [address for address in host.addresses if address.index != own_index]


def _observe_launcher(spec: NamespaceSpec) -> ObservedLauncher:
    path = Path(spec.launcher_path)
    state = install.read_launcher_state(path, GROUP, spec.name)
    group = next((entry for entry in grp.getgrall() if entry.gr_name == GROUP), None)
    return ObservedLauncher(
        present=state.present,
        half_built=install.is_half_built(Path(spec.launcher_path)),
        ours=state.ours,
        intact=state.current and state.owner_ok and state.mode_ok and state.capability_ok,
        compiler=install.find_compiler() is not None,
        group_exists=group is not None,
        members=frozenset(group.gr_mem) if group else frozenset(),
    )
