"""The host's side of a namespace, other firewalls included, for `speedmon check`. Read-only; no pyroute2.

Only root may list rules. Where a packet from inside is lost, `netns.firewall.diagnose` loads a table of its own for
about a second to trace it.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from netns import journal, observe, resolver
from netns.entry import enter
from netns.errors import NetnsError
from netns.firewall import diagnose, loaded
from netns.kernel import network
from netns.plan import firewall
from netns.probe import findings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netns.firewall.loaded import LoadedRules
    from netns.kernel.network import NetworkState
    from netns.spec import NamespaceSpec

PROC_NET = Path("/proc/self/net")
SYS_NET = Path("/sys/class/net")


@dataclass(frozen=True, slots=True)
class HostSide:
    """The host's side: what `enter.find_problems` returned, local addresses, uplink, MTUs by link, texts by path.

    `own_route`: who made a default route over the host's end of our own link, and how to exclude the link.
    """

    problems: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    uplink: str | None = None
    router: str | None = None
    own_route: str | None = None
    mtus: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RulesStatus:
    """Our firewall rules: what is wrong with them, if anything, and the packet counts by counter name.

    `title` names the table or chains for messages.
    """

    problem: str | None = None
    counters: Mapping[str, int] = field(default_factory=dict)
    title: str = "the set of rules"


class OtherFirewalls(Struct, frozen=True):
    """The other firewalls that may drop packets from the namespace.

    Attributes:
        chains: their chains that its packets pass, such as "iptables-nft FORWARD", and firewalld.
        missing: the openings that set-up would still add, as shell commands; empty when all are in place.
        blocked: which rule drops a packet from inside, and the fix; None when the packet left this host.
    """

    chains: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    blocked: str | None = None


def inspect_host_side(spec: NamespaceSpec) -> HostSide:
    """Return the host's side of the namespace of `spec`."""
    host = network.read_network(None)
    uplink = network.find_uplink(host, spec.uplink, spec.router)
    link = uplink.link if uplink else spec.uplink
    return HostSide(
        problems=tuple(enter.find_problems(spec.name)),
        addresses=tuple(findings.parse_addresses(_read_text(PROC_NET / "fib_trie") or "")),
        uplink=link,
        router=uplink.router if uplink else None,
        own_route=_describe_own_route(spec, host),
        mtus={name: mtu for name in (spec.host_link, link) if name and (mtu := _read_mtu(name))},
        files={path: _read_text(Path(path)) for path in _resolver_file_paths(spec)},
    )


def find_link_problems(spec: NamespaceSpec, host_side: HostSide) -> list[str]:
    """Return what is wrong with the host's end of the link, one phrase per problem. Pure."""
    problems = [*host_side.problems, *([host_side.own_route] if host_side.own_route else [])]
    if str(spec.subnet[1]) not in host_side.addresses:
        problems.append(f"{spec.host_link} has no address {spec.subnet[1]}")
    if host_side.uplink is None:
        problems.append("the host has no IPv4 default route")
    elif host_side.mtus.get(spec.host_link) != host_side.mtus.get(host_side.uplink):
        problems.append(
            f"MTU {host_side.mtus.get(spec.host_link)} of {spec.host_link} is not the"
            f" {host_side.mtus.get(host_side.uplink)} of {host_side.uplink}"
        )
    return problems


def find_resolver_problems(spec: NamespaceSpec, host_side: HostSide) -> list[str]:
    """Return what is wrong with the files for name lookups inside. Pure; files that we did not write are accepted."""
    chosen_resolver = resolver.choose_resolver(
        spec, (host_side.files.get(path) for path in resolver.SOURCES), host_side.router
    )
    host = host_side.files.get(resolver.NSSWITCH)
    expected = {f"{spec.etc}/resolv.conf": resolver.resolv_conf(chosen_resolver, spec.name)}
    if host is not None:
        expected[f"{spec.etc}/nsswitch.conf"] = resolver.nsswitch_conf(host, spec.name)
    return [
        f"{path} is missing" if current is None else f"{path} does not match this host's resolver"
        for path, text in expected.items()
        if (current := host_side.files.get(path)) is None or (resolver.is_own_file(current) and current != text)
    ]


# By the folder that it keeps while it runs: who manages links, and how to tell it to leave one alone.
MANAGERS = {
    "/run/dhcpcd": ("dhcpcd", "add the line `denyinterfaces {0}` to /etc/dhcpcd.conf and restart it"),
    "/run/NetworkManager": (
        "NetworkManager",
        """put `unmanaged-devices=interface-name:{0}` below [keyfile] into /etc/NetworkManager/conf.d/speedmon.conf, and
        run `nmcli general reload`""",
    ),
    "/run/systemd/netif": (
        "systemd-networkd",
        """put `Name={0}` below [Match] and `Unmanaged=yes` below [Link] into /etc/systemd/network/05-speedmon.network,
        and run `networkctl reload`""",
    ),
    "/run/connman": ("ConnMan", "add {0} to NetworkInterfaceBlacklist in /etc/connman/main.conf and restart it"),
}
_MAKERS = {16: "a DHCP client", 9: "a router advertisement", 4: "a static configuration", 3: "the command ip"}


def _describe_own_route(spec: NamespaceSpec, host: NetworkState) -> str | None:
    """Return who made a default route over our own link, which is never a way out, and how to exclude the link."""
    index = host.links[spec.host_link].index if spec.host_link in host.links else None
    route = next((route for route in network.find_own_default_routes(host) if route.index == index), None)
    if route is None:
        return None
    present = [manager for folder, manager in MANAGERS.items() if _manages(Path(folder), spec.host_link, index)]
    undo = f"then: sudo ip route delete default dev {spec.host_link}"
    problem = f"a default route leads over {spec.host_link}, which is no way out"
    if not present:
        maker = _MAKERS.get(route.protocol, "another program")
        return f"{problem}; it was made by {maker}: exclude the link there, {undo}"
    names = " or ".join(name for name, _ in present)
    fixes = "; or ".join(" ".join(fix.format(spec.host_link).split()) for _, fix in present)
    return f"{problem}; {names} made it: {fixes}, {undo}"


def _manages(folder: Path, link: str, index: int | None) -> bool:
    """Return whether a program runs that manages links; where it lists them, whether it manages this one."""
    listed = {"/run/systemd/netif": folder / "links" / str(index)}.get(str(folder))
    if listed is not None:
        text = _read_text(listed) or ""
        return "ADMIN_STATE=" in text and "ADMIN_STATE=unmanaged" not in text
    return folder.is_dir() or (folder.name == "dhcpcd" and Path(f"/run/dhcpcd-{link}.pid").exists())


def inspect_rules(spec: NamespaceSpec) -> RulesStatus:
    """Return the state of our firewall rules; only root may list them."""
    try:
        backend = loaded.find_backend()
        rules = loaded.read_loaded(spec, backend)
        expected_digest = journal.load_journal(spec.name).table
    except (NetnsError, OSError, subprocess.SubprocessError) as error:
        return RulesStatus(f"our rules cannot be listed: {error}")
    title = firewall.describe_rules(spec, backend)
    if rules is None:
        return RulesStatus(f"{title} is not loaded", title=title)
    return RulesStatus(
        None if rules.digest == expected_digest else _describe_change(title, rules), rules.counters, title
    )


def inspect_other_firewalls(spec: NamespaceSpec, host_side: HostSide) -> OtherFirewalls:
    """Return the other firewalls, and whether they drop a packet from inside.

    Raises:
        NetnsError: the rules cannot be listed.
    """
    backend = loaded.find_backend()
    firewalls = firewall.firewalls_to_open(spec, backend, observe.observe_other_firewalls(nft=backend.is_nft))
    servers = resolver.choose_resolver(
        spec, (host_side.files.get(path) for path in resolver.SOURCES), host_side.router
    ).servers
    host_dns = tuple(server for server in servers if server in host_side.addresses)
    steps = firewall.plan_openings(spec, host_side.uplink or "", firewalls, journal.load_journal(spec.name), host_dns)
    chains = [
        f"{chain.program} {chain.name}" for chain in firewall.find_chains_to_open(firewalls, names=bool(host_dns))
    ]
    chains += ["firewalld"] if firewalls.trusted is not None else []
    return OtherFirewalls(tuple(chains), tuple(map(str, steps)), diagnose.explain_drop(spec))


def _describe_change(title: str, rules: LoadedRules) -> str:
    if rules.rules_ahead:
        return f"{title} comes behind a rule of another program: {rules.rules_ahead[0]}"
    return f"{title} was changed since set-up"


def _resolver_file_paths(spec: NamespaceSpec) -> tuple[str, ...]:
    return (*resolver.SOURCES, resolver.NSSWITCH, f"{spec.etc}/resolv.conf", f"{spec.etc}/nsswitch.conf")


def _read_mtu(link: str) -> int:
    return int(_read_text(SYS_NET / link / "mtu") or 0)


def _read_text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
